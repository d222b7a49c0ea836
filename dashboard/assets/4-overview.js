/* The overview: every stream as a card, searched, filtered and sorted. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, percent, span, STATES } = actionstream;
  const SORT_MS = 2000;
  const AGES_MS = 1000;
  const RANK = { live: 0, stalled: 1, connecting: 2, offline: 3 };

  const $ = (id) => document.getElementById(id);

  /** A stream's card; writes only what has changed. */
  class Card {
    constructor(page, name, onMenu) {
      this.page = page;
      this.element = make("div", "card");
      this.element.setAttribute("role", "listitem");
      const link = make("a", "name", name);
      link.href = page.address(name);
      link.dataset.page = "stream";
      const heading = make("h3");
      heading.append(link);
      const screen = make("div", "screen");
      this.picture = make("img");
      this.picture.alt = "";
      this.picture.hidden = true;
      this.blank = make("span", "blank");
      this.state = make("span", "state");
      screen.append(this.picture, this.blank, this.state);
      this.action = make("span", "doing");
      this.score = make("span", "share");
      const meter = make("div", "meter");
      this.bar = make("div");
      meter.append(this.bar);
      this.event = make("p", "event");
      this.figures = make("p", "figures");
      const body = make("div", "body");
      body.append(heading, this.action, this.score, meter, this.event, this.figures);
      this.element.append(screen, body);
      if (onMenu) body.append(this.menu(name, onMenu));
    }

    menu(name, onMenu) {
      const button = make("button", "more");
      button.type = "button";
      button.setAttribute("aria-label", `Change or remove ${name}`);
      button.append(make("span", "icon dots"));
      button.addEventListener("click", () => onMenu(button));
      return button;
    }

    draw(stream) {
      const key = JSON.stringify([stream, this.page.scheme]);
      this.stream = stream;
      if (key !== this.key) {
        this.key = key;
        this.drawState(stream);
        this.drawAction(stream);
        const figures = [stream.fps && `${stream.fps.toFixed(1)}\u00a0fps`,
          stream.latency !== null && `${stream.latency}\u00a0ms`];
        setText(this.figures, figures.filter(Boolean).join(" · "));
      }
      this.drawEvent();
    }

    drawState(stream) {
      const resting = stream.paused && stream.state === "live";
      this.element.dataset.state = resting ? "paused" : stream.state;
      this.state.dataset.state = this.element.dataset.state;
      setText(this.state, resting ? "Paused" : STATES[stream.state]);
      this.element.title = stream.words;
    }

    drawAction(stream) {
      const shown = stream.state === "live" && !stream.paused && stream.title !== null;
      const waiting = stream.state === "live" ? (stream.paused ? "Paused" : "Waiting for scores")
        : STATES[stream.state];
      setText(this.action, shown ? stream.title : waiting);
      setText(this.score, shown ? percent(stream.score) : "");
      const colour = shown ? this.page.colour(stream.label, stream.background) : "transparent";
      this.element.style.setProperty("--label", colour);
      this.element.classList.toggle("quiet", !shown || stream.background);
      this.bar.style.transform = `scaleX(${shown ? stream.score : 0})`;
    }

    /** How long ago the last event was; it ages without news. */
    drawEvent() {
      const { event, state, words } = this.stream;
      let text = event ? "" : "No action yet";
      if (event) {
        const now = this.page.now();
        text = event.end === null && state === "live"
          ? `${event.title} for ${span(now - event.start)}`
          : `${event.title} ${span(now - (event.end ?? event.start))} ago`;
      }
      setText(this.event, state !== "live" && words ? words : text);
    }

    show(jpeg, reason) {
      const old = this.picture.src;
      this.picture.hidden = !jpeg;
      setText(this.blank, jpeg ? "" : reason);
      if (jpeg) this.picture.src = URL.createObjectURL(jpeg);
      else this.picture.removeAttribute("src");
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    }

    remove() {
      this.show(null, "");
      this.element.remove();
    }
  }

  class Overview {
    constructor(page) {
      this.page = page;
      this.cards = new Map();
      this.state = "";
      this.sortedAt = 0;
      this.pictures = new actionstream.Pictures(page);
      this.editor = page.config.read_only ? null : new actionstream.StreamEditor(page);
      this.buildTools();
      $("copy").addEventListener("click", () => this.copy());
      for (const event of ["overview", "route", "theme"]) page.on(event, () => this.draw());
      setInterval(() => this.age(), AGES_MS);
    }

    buildTools() {
      this.search = make("input");
      Object.assign(this.search, { type: "search", placeholder: "Search", id: "search" });
      this.search.setAttribute("aria-label", "Search streams");
      this.search.addEventListener("input", () => this.draw(true));
      $("search-box").append(this.search);
      $("order").addEventListener("change", () => this.draw(true));
      this.chips = new Map(["", ...Object.keys(STATES)].map((state) => [state, this.chip(state)]));
      $("states").append(...[...this.chips.values()].map((chip) => chip.element));
      for (const id of ["add-stream", "add-first"]) {
        $(id)?.addEventListener("click", () => this.editor.add());
      }
      const { page } = this;
      page.shortcut("/", "Search streams", () => this.search.focus(), "overview");
      if (this.editor) page.shortcut("n", "Add a stream", () => this.editor.add(), "overview");
    }

    chip(state) {
      const element = make("button", "chip");
      element.type = "button";
      if (state) element.dataset.state = state;
      const number = make("span", "count");
      element.append(make("span", "", state ? STATES[state] : "All"), number);
      element.addEventListener("click", () => {
        this.state = state;
        this.draw(true);
      });
      return { element, number };
    }

    draw(asked = false) {
      const { overview, route } = this.page;
      if (!overview || route !== "overview") return;
      const { streams } = overview;
      $("empty").hidden = streams.length > 0;
      $("overview-tools").hidden = !streams.length;
      if (!streams.length) this.drawEmpty(overview);
      this.drawChips(streams);
      this.drawCards(streams);
      this.place(streams, asked);
    }

    drawEmpty({ broker, address, error }) {
      $("empty-push").hidden = !broker;
      if (broker) {
        setText($("empty-title"), "No stream yet");
        setText($("empty-text"), "Send a video and it appears here within seconds. With ffmpeg:");
      } else {
        setText($("empty-title"), `No MQTT broker at ${address}`);
        setText($("empty-text"),
          error || "Start everything with \u201cactionstream up\u201d. Trying again by itself.");
      }
    }

    drawChips(streams) {
      for (const [state, { element, number }] of this.chips) {
        const some = state ? streams.filter((stream) => stream.state === state) : streams;
        setText(number, String(some.length));
        element.setAttribute("aria-pressed", String(state === this.state));
        element.hidden = Boolean(state) && !some.length && state !== this.state;
      }
    }

    drawCards(streams) {
      const names = new Set(streams.map((stream) => stream.name));
      for (const [name, card] of this.cards) {
        if (names.has(name)) continue;
        this.pictures.forget(card);
        card.remove();
        this.cards.delete(name);
      }
      for (const stream of streams) {
        let card = this.cards.get(stream.name);
        if (!card) {
          const menu = this.editor && ((button) => this.editor.menu(stream.name, button));
          card = new Card(this.page, stream.name, menu);
          this.cards.set(stream.name, card);
          this.pictures.watch(card);
          this.sortedAt = 0;
        }
        card.draw(stream);
      }
    }

    /** Put the cards in order; not under the pointer or the focus of someone who just aims. */
    place(streams, asked) {
      const box = $("cards");
      const now = performance.now();
      const busy = box.matches(":hover") || box.contains(document.activeElement);
      if (!asked && this.sortedAt && (now - this.sortedAt < SORT_MS || busy)) return;
      this.sortedAt = now;
      const wanted = this.search.value.trim().toLowerCase();
      const shown = this.ordered(streams).filter((stream) =>
        (!this.state || stream.state === this.state)
        && [stream.name, stream.title ?? ""].join("\n").toLowerCase().includes(wanted));
      const elements = shown.map((stream) => this.cards.get(stream.name).element);
      const kept = new Set(elements);
      for (const element of [...box.children]) if (!kept.has(element)) element.remove();
      elements.forEach((element, place) => {
        if (box.children[place] !== element) box.insertBefore(element, box.children[place] ?? null);
      });
      $("no-match").hidden = elements.length > 0 || !streams.length;
      setText($("no-match"), "No stream fits the search.");
    }

    ordered(streams) {
      const since = ({ event }) => (event ? event.end ?? Infinity : -Infinity);
      const does = ({ state, background, title }) =>
        (state !== "live" ? "\uffff\uffff" : background || title === null ? "\uffff" : title);
      const by = {
        name: () => 0,
        state: (a, b) => RANK[a.state] - RANK[b.state],
        action: (a, b) => does(a).localeCompare(does(b)),
        event: (a, b) => (since(a) === since(b) ? 0 : since(b) - since(a)),
      };
      // The streams come sorted by name, and sorting keeps the order of equals.
      return [...streams].sort(by[$("order").value] ?? by.name);
    }

    age() {
      if (document.hidden || this.page.route !== "overview") return;
      for (const card of this.cards.values()) if (card.element.isConnected) card.drawEvent();
    }

    async copy() {
      const text = $("push");
      try {
        await navigator.clipboard.writeText(text.textContent);
        setText($("copy"), "Copied");
        setTimeout(() => setText($("copy"), "Copy"), 1500);
      } catch {
        // Without HTTPS a browser gives no clipboard: mark the text, so that Ctrl+C takes it.
        getSelection().selectAllChildren(text);
      }
    }
  }

  actionstream.ready((page) => { actionstream.overviewPage = new Overview(page); });
})(window.actionstream);
