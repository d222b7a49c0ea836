/* One action in detail: its scores, what the camera saw, its clip, and whether it is right. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, clock, percent, pathOf } = actionstream;
  const AROUND_S = 3;
  const LINES = 3;
  const WIDE = 600;
  const HIGH = 120;
  const SVG = "http://www.w3.org/2000/svg";

  function draw(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  class EventDialog {
    /** @param {{onSay: function(object), onShow: function(object)}} handlers */
    constructor(dialog, page, history, handlers) {
      Object.assign(this, { dialog, page, history, handlers });
      dialog.addEventListener("close", () => this.closed());
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    }

    /** Open an action by its id; what is known already is shown at once. */
    async open(id, known = null) {
      this.id = id;
      this.setAddress(id);
      if (known) this.draw(known, null);
      let answer = null;
      try {
        answer = await actionstream.api(
          `/streams/${pathOf(this.page.stream)}/events/${encodeURIComponent(id)}`);
      } catch (error) {
        if (this.id === id) this.failed(error, known);
      }
      if (!answer || this.id !== id) return;
      this.draw(answer, answer.pictures ?? []);
      if (!answer.pictures?.length) this.lookAgain(id);
    }

    /** The pictures of an action that has only just ended are kept a moment later. */
    lookAgain(id, tries = 3) {
      setTimeout(async () => {
        if (this.id !== id) return;
        const path = `/streams/${pathOf(this.page.stream)}/events/${encodeURIComponent(id)}`;
        const answer = await actionstream.api(path).catch(() => null);
        if (this.id !== id) return;
        if (answer?.pictures?.length) {
          this.strip.replaceChildren();
          this.fillPictures(answer.pictures);
        } else if (tries > 1) this.lookAgain(id, tries - 1);
      }, 1000);
    }

    closed() {
      this.id = null;
      this.setAddress(null);
    }

    /** The address names the action that is open, so that it can be sent to somebody. */
    setAddress(id) {
      const address = new URL(location.href);
      if (id) address.searchParams.set("event", id);
      else address.searchParams.delete("event");
      history.replaceState(history.state, "", address);
    }

    label(event) {
      const { labels } = this.page;
      return labels.find((label) => label.name === event.label)
        ?? labels.find((label) => label.index === event.label)
        ?? { name: String(event.label), title: event.title ?? String(event.label), index: -1 };
    }

    failed(error, known) {
      const words = error.status === 404 && !known ? "There is no such action any more." : error.message;
      const buttons = make("div", "buttons");
      buttons.append(this.closing());
      if (!this.dialog.open) this.show([make("h2", "", "Action"), make("p", "", words), buttons]);
      else this.strip.replaceChildren(make("p", "words", words));
    }

    show(parts) {
      parts[0].id = "event-title";
      this.dialog.replaceChildren(...parts);
      if (!this.dialog.open) this.dialog.showModal();
      this.dialog.querySelector(".button.primary")?.focus();
    }

    draw(event, pictures) {
      const label = this.label(event);
      const end = event.end ?? this.history.lastTime ?? event.start;
      const title = make("h2");
      const swatch = make("span", "swatch");
      swatch.style.setProperty("--label", this.page.colour(label.index, label.background));
      title.append(swatch, label.title);
      const lasted = event.end === null ? "going on" : `${(end - event.start).toFixed(1)} s`;
      const day = new Date(event.start * 1000).toLocaleDateString();
      const facts = make("p", "event-facts", `${day}, ${clock(event.start)} – ${event.end === null
        ? "now" : clock(end)} · ${lasted} · peak ${percent(event.peak)}`);
      this.strip = make("div", "strip-of-pictures");
      this.strip.tabIndex = 0;
      this.strip.setAttribute("role", "group");
      this.strip.setAttribute("aria-label", "Pictures");
      this.fillPictures(pictures);
      this.chart = make("div", "event-chart");
      const span = { start: event.start, end };
      this.show([title, facts, this.chart, this.strip, this.verdict(event, label, span), this.links(event, span)]);
      this.fillChart(span, label);
    }

    fillPictures(pictures) {
      if (!pictures?.length) {
        const text = pictures ? "No pictures were kept of it." : "Fetching its pictures …";
        this.strip.append(make("p", "words", text));
        return;
      }
      for (const at of pictures) {
        const figure = make("figure");
        const image = make("img");
        image.src = actionstream.pictureUrl(this.page.stream, at);
        image.alt = `Picture at ${clock(at)}`;
        image.loading = "lazy";
        figure.append(image, make("figcaption", "", actionstream.tenths(at)));
        this.strip.append(figure);
      }
    }

    verdict(event, label, span) {
      if (this.page.config.read_only) return make("span");
      const box = actionstream.verdictButtons(this.page, label, null, async (verdict, name) => {
        const stored = await this.handlers.onSay({ ...span, verdict, label: name, event: event.id });
        const word = stored ? "Stored. Thank you." : "It could not be stored.";
        box.replaceChildren(make("span", "says", word));
      });
      return box;
    }

    links(event, span) {
      const box = make("div", "buttons");
      const show = make("button", "button", "Show in the graph");
      show.type = "button";
      show.addEventListener("click", () => {
        this.dialog.close();
        this.handlers.onShow(span);
      });
      box.append(show);
      if (event.clip) {
        const clip = make("a", "button", "Clip");
        clip.href = event.clip;
        clip.target = "_blank";
        clip.rel = "noreferrer";
        box.append(clip);
      }
      box.append(this.closing());
      return box;
    }

    closing() {
      const close = make("button", "button primary", "Close");
      close.type = "button";
      close.addEventListener("click", () => this.dialog.close());
      return close;
    }

    // ---- its scores ----------------------------------------------------------------------------

    async fillChart(span, label) {
      const { chart, id } = this;
      const from = span.start - AROUND_S;
      const to = span.end + AROUND_S;
      const rows = await this.history.full(from, to).catch(() => null);
      if (this.id !== id || !rows?.length) return;
      chart.replaceChildren(this.svg(rows, span, label, { from, to }), this.key(rows, label));
    }

    /** The columns worth a line: the action's own and the strongest others. */
    columns(rows, label) {
      const { labels } = this.page;
      const own = labels.findIndex(({ name }) => name === label.name);
      const peaks = labels.map((_, column) => {
        let peak = 0;
        for (let row = 0; row < rows.length; row += 1) peak = Math.max(peak, rows.score(row, column) || 0);
        return peak;
      });
      const others = peaks.map((peak, column) => [peak, column]).filter(([, column]) => column !== own)
        .sort((a, b) => b[0] - a[0]).slice(0, LINES - 1).map(([, column]) => column);
      return own < 0 ? others : [own, ...others];
    }

    svg(rows, span, label, { from, to }) {
      const x = (time) => ((time - from) / (to - from)) * WIDE;
      const y = (score) => HIGH - score * (HIGH - 4) - 2;
      const svg = draw("svg", {
        viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img",
        "aria-label": `Scores around ${label.title}`,
      });
      svg.append(draw("rect", {
        x: x(span.start), y: 0, width: Math.max(1, x(span.end) - x(span.start)), height: HIGH,
        class: "extent",
      }));
      for (const column of this.columns(rows, label).reverse()) {
        const { index, background, name } = this.page.labels[column];
        let path = "";
        for (let row = 0; row < rows.length; row += 1) {
          const score = rows.score(row, column);
          if (score !== score) continue;
          path += `${path && !rows.gap[row] ? "L" : "M"}${x(rows.t[row]).toFixed(1)} ${y(score).toFixed(1)}`;
        }
        svg.append(draw("path", {
          d: path, fill: "none", stroke: this.page.colour(index, background),
          "stroke-width": name === label.name ? 3 : 1.5, "vector-effect": "non-scaling-stroke",
        }));
      }
      return svg;
    }

    key(rows, label) {
      const box = make("p", "key");
      for (const column of this.columns(rows, label)) {
        const { index, background, title } = this.page.labels[column];
        const item = make("span", "", title);
        item.style.setProperty("--label", this.page.colour(index, background));
        box.append(item);
      }
      return box;
    }
  }

  actionstream.EventDialog = EventDialog;
})(window.actionstream);
