"use strict";
// A shared worker that holds one stream of events for all tabs: a browser has six connections for all of them.

const ports = new Set();
const RETRY = 5000;
let source = null;
let rows = null;
let lost = false;

function tell(said) {
  ports.forEach((port) => port.postMessage(said));
}

function listen() {
  source = new EventSource("/events");
  source.addEventListener("open", () => tell({ lost: (lost = false) }));
  source.addEventListener("runs", (event) => tell({ rows: (rows = event.data) }));
  source.addEventListener("error", () => {
    tell({ lost: (lost = true) });
    // A refusal ends it for good, such as an expired login; a broken connection is mended by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => source && listen(), RETRY);
  });
}

function leave(port) {
  ports.delete(port);
  if (ports.size) return;
  if (source) source.close();
  source = rows = null;
}

self.addEventListener("connect", (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = () => leave(port);
  if (rows !== null) port.postMessage({ rows, lost });
  if (!source) listen();
});
