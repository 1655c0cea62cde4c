// The WebSocket of detections: pairs each result with its picture, notices silence, comes back by itself.

const SILENCE_MS = 5000; // the service says something every second
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const WINDOW = 2; // results on their way at most; each that was shown is acknowledged

export class Link extends EventTarget {
  #socket = null;
  #attempt = 0;
  #retryTimer = 0;
  #silenceTimer = 0;
  #result = null;
  #map = false;

  /** Whether results are to carry their class map. */
  wantMap(wanted) {
    if (this.#map === wanted) return;
    this.#map = wanted;
    if (this.live) this.connect();
  }

  connect() {
    clearTimeout(this.#retryTimer);
    this.#drop();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const url = `${scheme}://${location.host}/api/v1/detections/stream?pictures=true&map=${this.#map}&window=${WINDOW}`;
    const socket = new WebSocket(url);
    socket.binaryType = "blob";
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onclose = () => this.#lost();
    this.#socket = socket;
    this.#listen();
  }

  /** Tell the service that a result has been shown, so that it sends the next. */
  acknowledge() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send("shown");
  }

  #message(data) {
    this.#listen();
    if (this.#attempt !== 0 || !this.live) {
      this.#attempt = 0;
      this.live = true;
      this.#emit("live");
    }
    if (data instanceof Blob) {
      if (this.#result) this.#emit("result", { result: this.#result, picture: data });
      this.#result = null;
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "status") this.#emit("status", message);
    else if (message.type === "result") this.#result = message;
  }

  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#lost(), SILENCE_MS);
  }

  #lost() {
    this.#drop();
    this.live = false;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#attempt, LONGEST_WAIT_MS);
    this.#attempt += 1;
    // A little chance keeps many viewers from coming back at the same instant.
    const delay = wait * (0.8 + 0.4 * Math.random());
    this.#emit("offline", { attempt: this.#attempt, retryAt: Date.now() + delay });
    this.#retryTimer = setTimeout(() => this.connect(), delay);
  }

  #drop() {
    clearTimeout(this.#silenceTimer);
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
    this.#result = null;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
