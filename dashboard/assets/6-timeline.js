/* Bars on the graph's time axis, below it: what was detected, what is true, what a person said. The
 * bars lie on a strip that is moved as a whole; they are made anew only when they change. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, percent, clock } = actionstream;
  const MOST = 400;
  // Narrower bars have no room for letters.
  const LEAST_PX = 30;

  /** Black or white, whichever can be read on a colour. */
  function inkOn(colour) {
    const parts = [1, 3, 5].map((place) => {
      const value = parseInt(colour.slice(place, place + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.179 ? "#0b0f14" : "#ffffff";
  }

  /** One row of bars.
   *  A span: {key, start, end (null: goes on), index, background, title, hint, score}. */
  class Lane {
    constructor(name, title, onOpen) {
      this.name = name;
      this.onOpen = onOpen;
      this.spans = [];
      this.box = make("div", "lane");
      this.box.dataset.lane = name;
      this.strip = make("div", "lane-strip");
      const clip = make("div", "lane-clip");
      clip.append(this.strip);
      this.box.append(make("span", "lane-name", title), clip);
      if (onOpen) {
        this.strip.setAttribute("role", "group");
        this.strip.setAttribute("aria-label", title);
        this.strip.addEventListener("keydown", (event) => this.step(event));
      }
      this.stale = true;
    }

    set(spans) {
      this.spans = spans;
      this.stale = true;
    }

    /** From one bar to the next by the arrow keys. */
    step(event) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !event.target.matches(".lane-bar")) return;
      event.preventDefault();
      event.stopPropagation();
      const next = by < 0 ? event.target.previousElementSibling : event.target.nextElementSibling;
      next?.focus();
    }

    build(timeline, from, to) {
      const { strip } = this;
      const focused = strip.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      const shown = this.spans.filter((span) => span.start < to && (span.end ?? Infinity) > from);
      this.open = [];
      strip.replaceChildren(...shown.slice(-MOST).map((span) => this.bar(timeline, span)));
      if (this.onOpen && strip.lastChild) {
        const bars = [...strip.children];
        const kept = bars.find((bar) => bar.dataset.key === focused);
        (kept ?? strip.lastChild).tabIndex = 0;
        kept?.focus({ preventScroll: true });
      }
      this.stale = false;
    }

    bar(timeline, span) {
      const wide = ((span.end ?? timeline.until) - span.start) * timeline.scale;
      const bar = make(this.onOpen ? "button" : "div", "lane-bar", wide < LEAST_PX ? "" : span.title);
      const colour = timeline.page.colour(span.index, span.background);
      bar.style.setProperty("--label", colour);
      bar.style.color = inkOn(colour);
      const score = span.score === undefined ? "" : `, ${percent(span.score)}`;
      bar.title = `${span.title}${score}\n${clock(span.start)} – ${span.end === null ? "now" : clock(span.end)}`
        + `${span.hint ? `\n${span.hint}` : ""}`;
      bar.dataset.key = span.key ?? "";
      if (span.mark) bar.dataset.mark = span.mark;
      bar.style.left = `${(span.start - timeline.base) * timeline.scale}px`;
      this.size(timeline, bar, span, span.end ?? timeline.until);
      if (span.end === null) this.open.push([bar, span]);
      if (this.onOpen) {
        bar.type = "button";
        bar.tabIndex = -1;
        bar.setAttribute("aria-label", bar.title.replaceAll("\n", ", "));
        bar.addEventListener("click", () => this.onOpen(span));
        bar.addEventListener("focus", () => {
          for (const other of this.strip.children) other.tabIndex = other === bar ? 0 : -1;
        });
      }
      return bar;
    }

    size(timeline, bar, span, end) {
      bar.style.width = `${Math.max(2, (end - span.start) * timeline.scale - 1)}px`;
    }
  }

  class Timeline {
    constructor(box, graph, page) {
      this.box = box;
      this.graph = graph;
      this.page = page;
      this.lanes = new Map();
      this.base = 0;
      this.scale = 0;
    }

    /** Add a row; with `onOpen` its bars are buttons. */
    add(name, title, onOpen) {
      const lane = new Lane(name, title, onOpen);
      this.lanes.set(name, lane);
      this.box.append(lane.box);
      return lane;
    }

    /** Fill a row; without spans (null) it is not there. */
    set(name, spans) {
      const lane = this.lanes.get(name);
      lane.box.hidden = spans === null;
      lane.set(spans ?? []);
      this.drawn = null;
    }

    stale() {
      for (const lane of this.lanes.values()) lane.stale = true;
    }

    /** Move the bars to what the graph shows. */
    draw({ from, to }) {
      const { left, width } = this.graph.area();
      const scale = width / (to - from);
      this.until = Math.min(to, this.graph.lastTime ?? to);
      const moved = scale !== this.scale || from < this.builtFrom || to > this.builtTo;
      if (moved) {
        this.scale = scale;
        this.base = from;
        this.builtFrom = from - (to - from);
        this.builtTo = to + (to - from);
        this.stale();
        this.box.style.setProperty("--left", `${left}px`);
        this.box.style.setProperty("--width", `${width}px`);
      }
      for (const lane of this.lanes.values()) {
        if (lane.box.hidden) continue;
        if (lane.stale) lane.build(this, this.builtFrom, this.builtTo);
        for (const [bar, span] of lane.open) lane.size(this, bar, span, this.until);
        lane.strip.style.transform = `translateX(${(this.base - from) * scale}px)`;
      }
      this.drawn = from;
    }
  }

  Object.assign(actionstream, { Timeline, inkOn });
})(window.actionstream);
