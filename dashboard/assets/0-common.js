/* What every script of the page uses. Everything from the network becomes text, never markup. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const AWAY = "The dashboard does not answer. Is it still running?";

  /** A request that failed; the message is meant for people. */
  class ApiError extends Error {
    constructor(message, { status = 0, code = "", retryAfter = null } = {}) {
      // An invalid body is told as "body.name: what is wrong with it".
      const [, field = "", words = message] = /^body\.(\w+)[^:]*: (.*)$/s.exec(message) ?? [];
      super(words);
      Object.assign(this, { status, code, field, retryAfter });
    }
  }

  /** An element with a class and a text. */
  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /** Writing what is there already would make the browser lay out again. */
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** UTC seconds as the time of day here. */
  function clock(seconds) {
    return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
  }

  function percent(share) {
    return `${Math.round(share * 100)}\u00a0%`;
  }

  /** A length of time in words: "4 s", "12 min", "3 h", "2 days". */
  function span(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 90) return `${whole}\u00a0s`;
    if (whole < 5400) return `${Math.round(whole / 60)}\u00a0min`;
    if (whole < 172800) return `${Math.round(whole / 3600)}\u00a0h`;
    return `${Math.round(whole / 86400)}\u00a0days`;
  }

  /** A stream's name as a part of a path; its slashes stay. */
  function pathOf(name) {
    return name.split("/").map(encodeURIComponent).join("/");
  }

  async function problem(reply) {
    let detail = "";
    let code = "";
    try {
      ({ detail = "", code = "" } = await reply.json());
    } catch {
      // Not one of our own answers; the status must do.
    }
    const text = typeof detail === "string" && detail ? detail : `It failed (status ${reply.status}).`;
    const retryAfter = Number(reply.headers.get("Retry-After")) || null;
    return new ApiError(text, { status: reply.status, code, retryAfter });
  }

  /** Ask the dashboard; `json` in the options becomes the body. Answers the JSON, or null.
   *  @throws {ApiError} */
  async function request(path, { json, ...options } = {}) {
    if (json !== undefined) {
      options.body = JSON.stringify(json);
      options.headers = { "Content-Type": "application/json", ...options.headers };
    }
    let reply;
    try {
      reply = await fetch(path, { cache: "no-store", ...options });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(AWAY);
    }
    if (!reply.ok) throw await problem(reply);
    if (reply.status === 204) return null;
    return reply.json();
  }

  /** Ask the worker's REST API: `api("/streams")` is its `/v1/streams`. */
  const api = (path, options) => request(`/api${path}`, options);

  /** Send a command to a stream over the control topic: `{paused}`, `{rules}`. */
  const command = (stream, body) =>
    request(`/control/${pathOf(stream)}`, { method: "POST", json: body });

  const waiting = [];

  /** Do something with the page once it is drawn. The chosen stream is asked for only after every
   *  promise that comes back from here has been kept. */
  function ready(attach) {
    waiting.push(attach);
  }

  actionstream.STATES = {
    connecting: "Connecting", live: "Live", stalled: "Stalled", offline: "Offline",
  };
  Object.assign(actionstream, {
    ApiError, make, setText, clock, percent, span, pathOf, request, api, command, ready, waiting,
  });
})(window.actionstream);
