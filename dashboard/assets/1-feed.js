/* Fetches increments: asks over a websocket, and asks again once an answer came. At most one
 * answer is on its way, so a slow page slows itself and nobody else. A hidden page asks nothing;
 * on its return the server sends what it missed. Where websockets are blocked it polls. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const SILENCE_MS = 5000;
  const POLL_MS = 500;
  const RETRY_MS = [300, 1000, 2000, 5000];
  const SOCKET_AGAIN_MS = 30000;
  const TRIES_BEFORE_POLLING = 2;

  class Feed {
    /** @param {{onAnswer: function(object), onLink: function(boolean)}} handlers */
    constructor(handlers) {
      this.handlers = handlers;
      this.stream = "";
      this.health = false;
      this.since = 0;
      this.epoch = "";
      this.socket = null;
      this.failures = 0;
      this.timer = null;
      this.watchdog = null;
    }

    start() {
      document.addEventListener("visibilitychange", () => this.visibility());
      // A page taken from the browser's back-forward cache has lost its socket.
      window.addEventListener("pageshow", (event) => event.persisted && this.visibility());
      this.visibility();
    }

    /** Show another stream; empty: the overview alone. With `health` the figures of all. */
    show(stream, health = false) {
      if (stream === this.stream && health === this.health) return;
      this.stream = stream;
      this.health = health;
      this.since = 0;
      if (this.socket && this.socket.readyState === WebSocket.OPEN) this.ask();
    }

    visibility() {
      this.stop();
      if (!document.hidden) this.connect();
    }

    stop() {
      clearTimeout(this.timer);
      clearTimeout(this.watchdog);
      const socket = this.socket;
      this.socket = null;
      if (socket) socket.close();
    }

    connect() {
      const scheme = location.protocol === "https:" ? "wss://" : "ws://";
      const socket = new WebSocket(`${scheme}${location.host}/live`);
      this.socket = socket;
      socket.onopen = () => this.socket === socket && this.ask();
      socket.onmessage = (event) => {
        if (this.socket !== socket) return;
        this.failures = 0;
        this.take(JSON.parse(event.data));
        this.ask();
      };
      socket.onclose = () => this.socket === socket && this.lost();
      this.watch(socket);
    }

    watch(socket) {
      clearTimeout(this.watchdog);
      this.watchdog = setTimeout(() => this.socket === socket && this.lost(), SILENCE_MS);
    }

    lost() {
      this.stop();
      this.failures += 1;
      if (this.failures >= TRIES_BEFORE_POLLING) {
        this.pollUntil = performance.now() + SOCKET_AGAIN_MS;
        this.poll();
        return;
      }
      this.timer = setTimeout(() => this.connect(), RETRY_MS[0]);
    }

    ask() {
      const { stream, since, epoch, health } = this;
      this.socket.send(JSON.stringify({ stream, since, epoch, health }));
      this.watch(this.socket);
    }

    async poll() {
      const query = new URLSearchParams({
        stream: this.stream, since: this.since, epoch: this.epoch, health: this.health,
      });
      let pause = POLL_MS;
      try {
        const reply = await fetch(`/live.json?${query}`, { signal: AbortSignal.timeout(SILENCE_MS) });
        if (!reply.ok) throw new Error(reply.statusText);
        this.take(await reply.json());
        this.failures = TRIES_BEFORE_POLLING;
      } catch {
        this.handlers.onLink(false);
        this.failures += 1;
        pause = RETRY_MS[Math.min(this.failures - TRIES_BEFORE_POLLING, RETRY_MS.length - 1)];
        // The server itself is away: once it is back its websocket probably works.
        this.pollUntil = 0;
      }
      if (document.hidden || this.socket) return;
      const again = performance.now() > this.pollUntil ? () => this.connect() : () => this.poll();
      this.timer = setTimeout(again, pause);
    }

    take(answer) {
      this.handlers.onLink(true);
      // An answer to what was asked before the stream was changed.
      if (answer.stream !== this.stream) return;
      if (answer.rev !== undefined) {
        this.since = answer.rev;
        this.epoch = answer.epoch;
      }
      this.handlers.onAnswer(answer);
    }
  }

  actionstream.Feed = Feed;
})(window.actionstream);
