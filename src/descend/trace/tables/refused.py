"""What a model cannot do, and what to write instead."""

from __future__ import annotations

from descend.trace.table import refuse

__all__: list[str] = []

refuse(
    "how many results there are would depend on the data; use np.where(condition, a, b), masks as "
    "0 and 1, or find the places before and hand them to the model",
    "nonzero", "argwhere", "flatnonzero", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "union1d", "intersect1d", "setdiff1d", "setxor1d",
    "trim_zeros",
)  # fmt: skip
refuse(
    "complex numbers are not differentiated; compute with real and imaginary parts",
    "real_if_close", "sort_complex", "roots", "poly",
)  # fmt: skip
refuse(
    "a histogram is constant between its jumps: its derivative is 0; use smooth weights",
    "histogram", "histogram2d", "histogramdd", "histogram_bin_edges",
)  # fmt: skip
refuse(
    "its derivative is 0 or does not exist; compute it before, and hand the result to the model",
    "gcd", "lcm", "nextafter", "spacing", "bitwise_count", "packbits", "unpackbits", "frexp",
)  # fmt: skip
refuse(
    "files, text and bytes have no place in a model; read the data before",
    "save", "savez", "savez_compressed", "savetxt", "load", "loadtxt", "genfromtxt", "fromfile",
    "fromregex", "fromstring", "array2string", "array_repr", "array_str",
    "base_repr", "binary_repr", "format_float_positional", "format_float_scientific", "isnat",
)  # fmt: skip
refuse(
    "write the function with NumPy operations on arrays, or use np.vectorize",
    "frompyfunc", "apply_over_axes",
)  # fmt: skip
refuse(
    "copy.deepcopy makes a copy; save what the model returns", "dump", "dumps", module="pickle"
)
refuse("use x[index] = values", "put", "place", "putmask", "copyto")
refuse("use ordinary arrays and @", "asmatrix", "bmat", "matrix")
refuse(
    "complex numbers are not differentiated; a real transform is a product with a matrix of "
    "cosines and sines",
    "fft", "ifft", "rfft", "irfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn",
    "irfftn", "hfft", "ihfft",
    module="numpy.fft",
)  # fmt: skip
refuse(
    "complex numbers are not differentiated; for symmetric matrices there is eigh",
    "eig", "eigvals",
    module="numpy.linalg",
)  # fmt: skip
