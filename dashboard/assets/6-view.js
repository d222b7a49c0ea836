/* What span of time the graph and the timeline show: the newest, or a piece of the past. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const SHORTEST_S = 2;
  const LONGEST_S = 3600;

  class View {
    constructor(span) {
      this.span = span;
      this.end = null;
      this.frozen = null;
      this.offset = null;
      this.listeners = [];
    }

    on(listener) {
      this.listeners.push(listener);
    }

    changed() {
      for (const listener of this.listeners) listener(this);
    }

    /** The stream's time at the server; smoothed, so that the axis glides. */
    setNow(seconds) {
      const offset = seconds - performance.now() / 1000;
      const jump = this.offset === null || Math.abs(offset - this.offset) > 1;
      this.offset = jump ? offset : this.offset + 0.1 * (offset - this.offset);
    }

    get started() {
      return this.offset !== null;
    }

    /** The stream's time now, UTC seconds. */
    now() {
      return (this.offset ?? 0) + performance.now() / 1000;
    }

    /** Whether the newest is shown. */
    get live() {
      return this.end === null;
    }

    get moving() {
      return this.end === null && this.frozen === null;
    }

    range() {
      const to = this.end ?? this.frozen ?? this.now();
      return { from: to - this.span, to };
    }

    /** Stand still for as long as somebody looks. */
    freeze(on) {
      if (on === (this.frozen !== null)) return;
      this.frozen = on ? this.now() : null;
      this.changed();
    }

    goLive() {
      this.end = null;
      this.frozen = null;
      this.changed();
    }

    pause() {
      this.end = this.range().to;
      this.changed();
    }

    /** Show another length: the newest stays in view, else the middle. */
    setSpan(span) {
      const wanted = Math.min(LONGEST_S, Math.max(SHORTEST_S, span));
      const middle = this.live ? null : this.end - this.span / 2;
      this.span = wanted;
      if (middle !== null) this.end = Math.min(middle + wanted / 2, this.now());
      this.changed();
    }

    /** Show a span of the past. */
    zoom(from, to) {
      const span = Math.min(LONGEST_S, Math.max(SHORTEST_S, to - from));
      this.span = span;
      this.end = Math.min((from + to + span) / 2, this.now());
      this.changed();
    }

    /** Go on by some seconds, back if negative; at the newest it moves with it again. */
    scroll(seconds) {
      const end = this.range().to + seconds;
      this.frozen = null;
      this.end = end >= this.now() ? null : end;
      this.changed();
    }
  }

  actionstream.View = View;
})(window.actionstream);
