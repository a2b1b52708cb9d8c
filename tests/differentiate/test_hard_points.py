import itertools, sys, time
import mpmath as mp
import numpy as np
from math import inf, isinf, isfinite
from descend.graph.elementwise import call
import descend.graph.special
import descend.graph.determinant
from descend.graph.linear import broadcast
from descend.graph.node import PRIMITIVES
from descend.graph.source import const, input_node
from descend.graph.evaluate import evaluate
from descend.simplify.driver import simplify
from descend.compile.function import compile_graph
from descend.differentiate.chain import doubted
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from differentiate.hard_points import ROWS
from differentiate.jets import Jet, Nothing, jets

def derivatives(row, count):
    inputs=[input_node(f"x{i}",(count,)) for i in range(len(row.points[0]))]
    one=broadcast(const(1.0),(count,),())
    out=row.build(*inputs)
    made={("value",):out}
    firsts={}
    for i,(b,x) in enumerate(zip(reverse([out],[one],inputs),inputs)):
        a,=forward([out],[x],[one])
        for mode,d in (("reverse",b),("forward",a)):
            d,=doubted([d],out,[out])
            firsts[i,mode]=d
            made[mode,i]=d
    for (i,mode),d in firsts.items():
        for j,(b,x) in enumerate(zip(reverse([d],[one],inputs),inputs)):
            a,=forward([d],[x],[one])
            for second,dd in (("reverse",b),("forward",a)):
                made[second+" over "+mode,i,j],=doubted([dd],d,[d])
    return inputs,made

def computed(row,points,native=False):
    inputs,made=derivatives(row,len(points))
    outs=simplify(list(made.values()),final=True)
    given=[np.array(c) for c in zip(*points)]
    with np.errstate(all="ignore"):
        got=compile_graph(outs,inputs)(given) if native else evaluate(outs,dict(zip(inputs,given)))
    return dict(zip(made,got))

def truth(row,place): return jets(row.meaning,place,row.may_break(place))

TINY=1e-307
def right(got,found,which,place):
    wants=[j.entry(which) for j in found]
    lo,hi=min(wants),max(wants)
    if isinf(got):
        return (hi if got>0 else -lo)>mp.mpf("1e307") or not exists(found,which)
    allowed=mp.mpf("1e-8")*max(abs(lo),abs(hi))+TINY
    if any(map(isinf,place)): allowed+=mp.mpf("1e-12") if which else mp.mpf("1e-9")*abs(hi)
    if which:
        # rounding: of the largest of the same order, and of the order below, over a unit
        allowed+=mp.mpf("1e-13")*max(abs(j.entry((*which[:-1],i))) for j in found for i in range(len(place)))
        size=max(1.0,min(abs(place[which[-1]]),1e300))
        allowed+=mp.mpf("2e-14")*max(abs(j.entry(which[:-1])) for j in found)/size
    if which and any(v==0 for v in place): allowed+=mp.mpf("1e-24")*(max(abs(v) for j in found for v in j.second.values()) if len(which)==1 else 1)
    return lo-allowed<=mp.mpf(got)<=hi+allowed

def exists(found,which):
    wants=[j.entry(which) for j in found]
    return max(wants)-min(wants)<=mp.mpf("1e-8")*max(map(abs,wants))+mp.mpf("1e-20") and max(map(abs,wants))<mp.mpf("1e300")

def check(row):
    points=row.points
    got=computed(row,points)
    wrong=[];silent=[];values=[]
    for k,place in enumerate(points):
        try: found=truth(row,place)
        except Nothing: found=None
        for what,column in got.items():
            g=float(column[k]); which=what[1:]
            if found is None:
                if isfinite(g): (values if what[0]=="value" else wrong).append((what,place,g,"nothing"))
                continue
            if what[0]=="value":
                if np.isnan(g):
                    if exists(found,which): values.append((what,place,g,mp.nstr(found[0].value,8)))
                    break
                if isfinite(g) and not right(g,found,which,place):
                    values.append((what,place,g,mp.nstr(found[0].value,8)));break
                continue
            if isfinite(g):
                ok=right(g,found,which,place)
                if not ok:
                    near=list(found)
                    for s in itertools.product((1,-1),repeat=len(place)):
                        try: near+=truth(row,tuple(float(v)*(1+e*4e-15) for v,e in zip(place,s)))
                        except Nothing: pass
                    ok=right(g,near,which,place)
                if not ok and len(which)==2 and not exists(found,which[:1]): ok=True # bend
                if not ok: wrong.append((what,place,g,[mp.nstr(j.entry(which),8) for j in found][:4]))
            elif exists(found,which) and not row.may_break(place) and not any(map(isinf,place)) and not right(g,found,which,place): silent.append((what,place,g,mp.nstr(found[0].entry(which),8)))
    return wrong,silent,values
if __name__=="__main__":
    names=sys.argv[1:]
    for n in ROWS:
        if names and n.name not in names and str(n) not in names: continue
        t=time.time()
        w,s,v=check(n)
        print(f"## {n}: wrong {len(w)} silent {len(s)} values {len(v)} of {len(n.points)}  {time.time()-t:.1f}s",flush=True)
        for label,l in (("W",w),("S",s),("V",v)):
            for x in l[:400]: print("  ",label,x)
