// Frames by WebSocket: binary ones are frames, text is a scene or a surface of the loss; the next frame comes after `ack`.

const LOST = 4404; // the run is not there any more, the server is
const AGAIN = 1000; // milliseconds until the next attempt

/** Connect to a run; `order` speaks to it, `ack` asks for the next frame. */
export function connect(url, { onScene, onSlope, onFrame, onOpen, onGone, onLost }) {
  let socket, timer, closed = false;

  function open() {
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = onOpen;
    socket.onmessage = ({ data }) => (typeof data === "string" ? told(JSON.parse(data)) : onFrame(data));
    socket.onclose = ({ code }) => {
      if (closed) return;
      if (code === LOST) return onLost();
      onGone();
      timer = setTimeout(open, AGAIN);
    };
  }

  function told(message) {
    if (message.slope) onSlope(message.slope);
    else onScene(message);
  }

  function send(message) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  open();
  return {
    ack: () => send({ do: "ack" }),
    point: (x, y) => send({ do: "point", x, y }),
    order: (name, value = 1) => send({ do: name, value }),
    close() {
      closed = true;
      clearTimeout(timer);
      socket.close();
    },
  };
}
