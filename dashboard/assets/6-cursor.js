/* Reading and marking the graph: a cursor that follows mouse, finger and arrow keys, a span marked by
 * dragging, and moving through time. Mouse: move reads, drag marks, drag with Shift or on the time
 * axis moves. Finger: drag reads. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { setText, clock } = actionstream;
  const $ = (id) => document.getElementById(id);
  const CLICK_PX = 5;
  const AXIS_PX = 26;
  // A mouse that rests on the graph does not keep it from going on for ever.
  const REST_MS = 15000;
  const STEPS = 100;

  function tenths(seconds) {
    const fraction = Math.floor((seconds % 1) * 10);
    return `${clock(seconds)}.${fraction}`;
  }

  class Cursor {
    /** @param {{onMove: function(?number), onSpan: function(?object), onFeedback: function()}} handlers */
    constructor(plot, graph, handlers) {
      this.plot = plot;
      this.graph = graph;
      this.handlers = handlers;
      this.time = null;
      this.span = null;
      this.drag = null;
      this.byKey = false;
      const on = (name, handle, options) => plot.addEventListener(name, handle.bind(this), options);
      on("pointerdown", this.down);
      on("pointermove", this.move);
      on("pointerup", this.up);
      on("pointercancel", this.cancel);
      on("pointerleave", this.leave);
      on("wheel", this.wheel, { passive: false });
      on("keydown", this.key);
      on("blur", () => this.byKey && this.set(null));
    }

    get view() {
      return this.graph.view;
    }

    /** Put the cursor at a time; null takes it away. */
    set(time, byKey = false) {
      this.time = time;
      this.byKey = byKey;
      this.view.freeze(time !== null || this.drag !== null);
      clearTimeout(this.rest);
      if (time !== null && !byKey) this.rest = setTimeout(() => this.set(null), REST_MS);
      this.handlers.onMove(time);
      this.draw();
    }

    mark(span) {
      this.span = span;
      this.handlers.onSpan(span);
      this.draw();
    }

    // ---- mouse and finger ----------------------------------------------------------------------

    offset(event) {
      return event.clientX - this.graph.gd.getBoundingClientRect().left;
    }

    /** Whether the place belongs to the graph, and not to a button upon it. */
    isFree(event) {
      return this.graph.drawn && !event.target.closest("button, select, input, #span-menu");
    }

    down(event) {
      if (event.button !== 0 || !this.isFree(event)) return;
      const x = this.offset(event);
      const bottom = this.graph.gd.getBoundingClientRect().bottom;
      const onAxis = event.clientY <= bottom && event.clientY > bottom - AXIS_PX;
      const kind = event.pointerType === "touch" ? "read"
        : event.shiftKey || onAxis ? "pan" : "mark";
      this.drag = { kind, x, from: this.graph.timeAt(x), end: this.view.range().to, moved: false };
      this.plot.setPointerCapture(event.pointerId);
      this.mark(null);
      if (kind === "read") this.set(this.drag.from);
    }

    move(event) {
      const { drag } = this;
      if (!drag) {
        if (event.pointerType === "mouse" && this.graph.drawn && !event.target.closest("#span-menu")) {
          this.set(this.graph.timeAt(this.offset(event)));
        }
        return;
      }
      const x = this.offset(event);
      drag.moved ||= Math.abs(x - drag.x) > CLICK_PX;
      if (!drag.moved) return;
      if (drag.kind === "pan") this.pan(x);
      else this.set(this.graph.timeAt(x));
      if (drag.kind === "mark") this.draw();
    }

    pan(x) {
      const { drag, view, graph } = this;
      const seconds = ((drag.x - x) / graph.area().width) * view.span;
      this.set(null);
      const end = drag.end + seconds;
      view.end = Math.min(end, view.now());
      view.changed();
    }

    up(event) {
      const { drag } = this;
      this.drag = null;
      if (!drag) return;
      if (drag.kind === "mark" && drag.moved) {
        const time = this.graph.timeAt(this.offset(event));
        this.mark({ start: Math.min(drag.from, time), end: Math.max(drag.from, time) });
      } else if (drag.kind === "pan" && this.view.now() - this.view.range().to < 0.5) {
        this.view.goLive();
      }
      if (event.pointerType === "touch") this.set(null);
      this.draw();
    }

    cancel() {
      this.drag = null;
      this.set(null);
    }

    leave(event) {
      if (event.pointerType === "mouse" && !this.drag) this.set(null);
    }

    wheel(event) {
      if (!this.graph.drawn) return;
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (event.ctrlKey) {
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.graph.timeAt(this.offset(event)));
      } else if (Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
        this.view.scroll((sideways / this.graph.area().width) * this.view.span);
      } else {
        return;
      }
      event.preventDefault();
    }

    /** Show more or less around a time. */
    zoom(factor, around = null) {
      const { view } = this;
      if (view.live || around === null) {
        view.setSpan(view.span * factor);
        return;
      }
      const { from, to } = view.range();
      view.zoom(around - (around - from) * factor, around + (to - around) * factor);
    }

    // ---- keyboard ------------------------------------------------------------------------------

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.plot) return;
      const { view } = this;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.shiftKey) view.scroll((step * view.span) / 2);
      else if (step) this.stepBy((step * view.span) / STEPS);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5, this.time);
      else if (event.key === "-") this.zoom(2, this.time);
      else if (event.key === "End") view.goLive();
      else if (event.key === " ") this.handlers.onPause();
      else if (event.key === "Escape") this.escape();
      else return;
      event.preventDefault();
    }

    stepBy(seconds) {
      const { from, to } = this.view.range();
      const last = Math.min(to, this.graph.lastTime ?? to);
      this.set(Math.min(to, Math.max(from, (this.time ?? last) + seconds)), true);
    }

    escape() {
      if (this.span) this.mark(null);
      this.set(null);
    }

    // ---- marks on the graph --------------------------------------------------------------------

    draw() {
      if (!this.graph.drawn) return;
      const line = $("cursor");
      line.hidden = this.time === null;
      if (this.time !== null) {
        line.style.transform = `translateX(${this.graph.place(this.time)}px)`;
        setText(line.firstChild, tenths(this.time));
        line.classList.toggle("left", this.graph.place(this.time) > this.graph.gd.clientWidth - 90);
      }
      this.drawSpan();
    }

    drawSpan() {
      const box = $("selection");
      const marking = this.drag?.kind === "mark" && this.drag.moved && this.time !== null;
      const span = marking ? { start: this.drag.from, end: this.time } : this.span;
      box.hidden = !span;
      if (!span) return;
      const { left, width } = this.graph.area();
      const inside = (time) => Math.min(left + width, Math.max(left, this.graph.place(time)));
      const [one, two] = [inside(span.start), inside(span.end)].sort((a, b) => a - b);
      box.style.transform = `translateX(${one}px)`;
      box.style.width = `${two - one}px`;
    }
  }

  Object.assign(actionstream, { Cursor, tenths });
})(window.actionstream);
