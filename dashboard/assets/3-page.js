/* The page around the graph: streams, state, picture, current action, figures, recent actions.
 * Everything from the network becomes text, never markup. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const PICTURE_MS = 200;
  const NO_PICTURE_MS = 1500;
  const EVENT_ROWS = 12;
  const STATES = { connecting: "Connecting", live: "Live", stalled: "Stalled", offline: "Offline" };
  const MISSING = {
    "no-picture": "No picture yet",
    "worker-away": "No picture: the worker does not answer",
    refused: "No picture: the worker wants another token (dashboard.worker_token)",
  };

  const $ = (id) => document.getElementById(id);
  const clock = (s) => new Date(s * 1000).toLocaleTimeString([], { hour12: false });
  const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

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

  /** The stream that the address names. */
  function fromAddress() {
    const prefix = "/stream/";
    const asked = new URLSearchParams(location.search).get("stream");
    if (asked) return asked;
    if (!location.pathname.startsWith(prefix)) return "";
    try {
      return decodeURIComponent(location.pathname.slice(prefix.length));
    } catch {
      return "";
    }
  }

  function toAddress(name) {
    return `/stream/${name.split("/").map(encodeURIComponent).join("/")}`;
  }

  class Page {
    constructor(config) {
      this.config = config;
      this.stream = fromAddress();
      this.overview = null;
      this.labels = [];
      this.cards = new Map();
      this.rows = [];
      this.held = false;
      this.looking = false;
      this.feed = new actionstream.Feed({
        onAnswer: (answer) => this.take(answer),
        onLink: (up) => this.link(up),
      });
    }

    start(gd) {
      this.graph = new actionstream.Graph(gd, this.config);
      this.graph.onDraw = () => this.drawLegend();
      const plot = gd.closest(".plot");
      plot.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") this.pause({ looking: true });
      });
      plot.addEventListener("pointerleave", () => this.pause({ looking: false }));
      $("pause").addEventListener("click", () => this.pause({ held: !this.held }));
      new MutationObserver(() => this.themed()).observe(document.documentElement, {
        attributes: true, attributeFilter: ["data-mantine-color-scheme"],
      });
      window.addEventListener("popstate", () => this.choose(fromAddress(), false));
      $("copy").addEventListener("click", () => this.copy());
      this.feed.show(this.stream);
      this.feed.start();
      this.picture();
    }

    themed() {
      this.graph.theme();
      this.cards.forEach((card) => { card.key = ""; });
      this.buildLegend();
      this.drawOverview();
    }

    /** The graph stands still while someone reads values with the mouse, or by the button. */
    pause({ held = this.held, looking = this.looking }) {
      this.held = held;
      this.looking = looking;
      this.graph.paused = held || looking;
      const button = $("pause");
      button.setAttribute("aria-pressed", String(held));
      setText(button, held ? "Go on" : looking ? "Paused while you look" : "Pause");
    }

    choose(name, remember = true) {
      if (!name || name === this.stream) return;
      this.stream = name;
      if (remember) history.pushState(null, "", toAddress(name));
      this.graph.reset([]);
      this.buildLegend();
      this.drawEvents([]);
      for (const id of ["action", "score", "words"]) setText($(id), "");
      $("tiles").replaceChildren();
      this.showPicture(null, "");
      this.summary = null;
      this.feed.show(name);
      this.drawOverview();
    }

    link(up) {
      if (this.linkUp === up) return;
      this.linkUp = up;
      this.drawNotice();
    }

    take(answer) {
      if (answer.overview) {
        this.overview = answer.overview;
        this.drawOverview();
      }
      if (answer.detail) this.takeDetail(answer.detail);
    }

    takeDetail(detail) {
      const { graph } = this;
      if (detail.full) {
        this.labels = detail.labels;
        graph.reset(detail.labels);
        this.buildLegend();
      }
      graph.setNow(detail.now);
      if (detail.points && detail.points.t) {
        graph.add(detail.points);
      }
      if (detail.events) {
        graph.setEvents(detail.events);
        this.drawEvents(detail.events);
      }
      if (detail.summary) {
        this.summary = detail.summary;
        graph.setTruth(detail.summary.truth);
        this.drawSummary(detail.summary);
      }
      this.drawAction();
    }

    // ---- what there is at all ------------------------------------------------------------------

    drawOverview() {
      const overview = this.overview;
      if (!overview) return;
      const { streams } = overview;
      if (!this.stream && streams.length) {
        const first = streams.find((stream) => stream.state === "live") ?? streams[0];
        this.choose(first.name, false);
        return;
      }
      const known = streams.some((stream) => stream.name === this.stream);
      for (const id of ["live", "tiles", "events"]) $(id).hidden = !known;
      $("empty").hidden = known;
      if (!known) this.drawEmpty();
      this.drawService();
      this.drawNotice();
      this.drawCards(known);
      this.drawChooser();
    }

    drawEmpty() {
      const { broker, address, error, streams } = this.overview;
      $("empty-push").hidden = !broker;
      if (!broker) {
        setText($("empty-title"), `No MQTT broker at ${address}`);
        setText($("empty-text"), error || "Start everything with “actionstream up”. Trying again by itself.");
      } else if (this.stream && streams.length) {
        setText($("empty-title"), `No stream called “${this.stream}”`);
        setText($("empty-text"), "Choose another one above, or send this one:");
      } else {
        setText($("empty-title"), "No stream yet");
        setText($("empty-text"), "Send a video and it appears here within seconds. With ffmpeg:");
      }
    }

    drawService() {
      const { broker, worker, address, refused, malformed } = this.overview;
      const [text, state] = !broker ? ["No broker", "offline"]
        : worker === null ? ["Waiting for the worker", "connecting"]
          : worker ? ["Worker online", "live"] : ["Worker offline", "offline"];
      const service = $("service");
      service.dataset.state = state;
      setText(service, text);
      const details = [`MQTT broker ${address}: ${broker ? "connected" : "not connected"}`];
      if (malformed) details.push(`${malformed} malformed messages ignored`);
      if (refused) details.push(`${refused} messages of too many streams ignored`);
      service.title = details.join("\n");
    }

    drawNotice() {
      const notice = $("notice");
      let text = "";
      if (this.linkUp === false) {
        text = "The dashboard does not answer. Trying again …";
      } else if (this.overview && !$("live").hidden) {
        if (!this.overview.broker) {
          text = `The MQTT broker at ${this.overview.address} is away. Trying again …`;
        } else if (this.overview.worker === false) {
          text = "The worker is offline: nothing is analysed until it is back.";
        }
      }
      notice.hidden = !text;
      setText(notice, text);
    }

    drawCards(known) {
      const { streams } = this.overview;
      const nav = $("cards");
      nav.hidden = streams.length < 2 && known;
      const names = new Set(streams.map((stream) => stream.name));
      for (const [name, card] of this.cards) {
        if (!names.has(name)) {
          card.element.remove();
          this.cards.delete(name);
        }
      }
      streams.forEach((stream, place) => {
        const card = this.cards.get(stream.name) ?? this.makeCard(stream.name);
        if (nav.children[place] !== card.element) nav.insertBefore(card.element, nav.children[place] ?? null);
        this.drawCard(card, stream);
      });
    }

    makeCard(name) {
      const element = make("a", "card");
      element.href = toAddress(name);
      element.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.choose(name);
      });
      const card = {
        element, key: "", name: make("span", "name", name), state: make("span", "dot"),
        action: make("span", "doing"), score: make("span", "share"),
      };
      element.title = name;
      element.append(card.state, card.name, card.action, card.score);
      this.cards.set(name, card);
      return card;
    }

    drawCard(card, stream) {
      const chosen = stream.name === this.stream;
      const key = JSON.stringify([stream, chosen]);
      if (key === card.key) return;
      card.key = key;
      const live = stream.state === "live" && stream.title !== null;
      card.element.setAttribute("aria-current", chosen ? "true" : "false");
      card.element.dataset.state = stream.state;
      setText(card.action, live ? stream.title : STATES[stream.state]);
      setText(card.score, live ? percent(stream.score) : "");
      card.element.style.setProperty(
        "--label", live ? this.graph.colour(stream.label, stream.background) : "transparent");
      card.element.classList.toggle("quiet", !live || stream.background);
    }

    drawChooser() {
      const names = this.overview.streams.map((stream) => stream.name);
      if (this.stream && !names.includes(this.stream)) names.push(this.stream);
      const key = JSON.stringify([names, this.stream]);
      if (key === this.chooserKey || !window.dash_clientside?.set_props) return;
      this.chooserKey = key;
      const data = names.map((name) => ({ value: name, label: name }));
      window.dash_clientside.set_props("chooser", { data, value: this.stream || null });
    }

    // ---- the chosen stream ---------------------------------------------------------------------

    drawAction() {
      const newest = this.graph.newest();
      let best = -1;
      newest.forEach((score, column) => {
        if (score !== null && (best < 0 || score > newest[best])) best = column;
      });
      const state = this.summary?.state ?? "live";
      const label = best < 0 || state !== "live" ? null : this.labels[best];
      const action = $("action");
      setText(action, label ? label.title : state === "live" ? "Waiting for scores" : STATES[state]);
      setText($("score"), label ? percent(newest[best]) : "");
      const box = action.parentElement;
      const colour = label ? this.graph.colour(label.index, label.background) : "transparent";
      box.style.setProperty("--label", colour);
      box.classList.toggle("quiet", !label || label.background);
      $("meter").style.transform = `scaleX(${label ? newest[best] : 0})`;
    }

    drawSummary(summary) {
      const state = $("state");
      state.dataset.state = summary.state;
      setText(state, STATES[summary.state]);
      const open = this.graph.events.find((event) => event.end === null);
      const lasting = open && this.graph.lastTime > open.start
        ? `${open.title} for ${Math.round(this.graph.lastTime - open.start)} s` : "";
      setText($("words"), summary.words || lasting);
      this.drawTiles(summary);
    }

    drawTiles(summary) {
      const since = summary.since ? `since ${clock(summary.since)}` : "";
      const tiles = [["State", STATES[summary.state], summary.words || since]];
      if (summary.agreement) {
        const [right, judged] = summary.agreement;
        tiles.push(["Agreement", judged ? percent(right / judged) : "–",
          judged ? `with the truth: ${right} of ${judged} windows, last minute` : "no window to judge yet"]);
      }
      const picture = [summary.resolution?.replace("x", " × "), summary.codec?.toUpperCase()];
      tiles.push(["Frame rate", summary.fps ? `${summary.fps.toFixed(1)} fps` : "–",
        picture.filter(Boolean).join(" · ") || "unknown picture"]);
      const { latency } = summary;
      tiles.push(["Latency", latency ? `${Math.round(latency.total)} ms` : "–", latency
        ? `p95 ${Math.round(latency.p95)} ms · decode ${latency.decode} · wait ${latency.wait} · model ${latency.model} ms`
        : "no window in the last minute"]);
      const rate = summary.rate === null ? "" : ` · ${summary.rate.toFixed(1)} per second`;
      tiles.push(["Windows", summary.received.toLocaleString(),
        `${summary.lost} lost · ${summary.dropped} dropped${rate}`]);
      tiles.push(["Model", summary.model?.split("@")[0] ?? "–", summary.model?.split("@")[1] ?? ""]);
      if (summary.behind) {
        tiles.push(["Clock", `${summary.behind > 0 ? "−" : "+"}${Math.abs(summary.behind)} s`,
          "the stream's clock disagrees with this machine's"]);
      }
      this.fillTiles(tiles, summary);
    }

    fillTiles(tiles, summary) {
      const box = $("tiles");
      while (box.children.length > tiles.length) box.lastChild.remove();
      tiles.forEach(([name, value, detail], place) => {
        let tile = box.children[place];
        if (!tile) {
          tile = make("div", "tile");
          tile.append(make("h3"), make("strong"), make("p"));
          box.append(tile);
        }
        [name, value, detail].forEach((text, part) => setText(tile.children[part], text));
        const bad = (name === "Windows" && summary.lost + summary.dropped > 0) || name === "Clock";
        tile.dataset.state = name === "State" ? summary.state : bad ? "stalled" : "";
      });
    }

    buildLegend() {
      const legend = $("legend");
      legend.replaceChildren();
      this.rows = this.labels.map((label) => {
        const row = make("button", "class");
        row.type = "button";
        row.title = "Show or hide this line";
        row.setAttribute("aria-pressed", String(!this.graph.hidden.has(label.name)));
        row.style.setProperty("--label", this.graph.colour(label.index, label.background));
        row.dataset.dash = label.background ? "dot" : this.graph.dash(label.index);
        const value = make("span", "share");
        row.append(make("span", "swatch"), make("span", "name", label.title), value);
        row.addEventListener("click", () => {
          row.setAttribute("aria-pressed", String(this.graph.toggle(label.name)));
        });
        legend.append(row);
        return { row, value };
      });
    }

    drawLegend() {
      const newest = this.graph.newest();
      this.rows.forEach(({ row, value }, column) => {
        const score = newest[column];
        const text = score === null ? "–" : percent(score);
        if (value.textContent === text) return;
        value.textContent = text;
        row.style.setProperty("--share", score ?? 0);
      });
    }

    drawEvents(events) {
      const newest = events.slice(-EVENT_ROWS).reverse();
      $("no-events").hidden = newest.length > 0;
      $("event-rows").replaceChildren(...newest.map((event) => {
        const row = make("tr");
        row.dataset.open = String(event.end === null);
        const action = make("td");
        const swatch = make("span", "swatch");
        swatch.style.setProperty("--label", this.graph.colour(event.label));
        action.append(swatch, event.title);
        const duration = event.end === null ? "going on" : `${(event.end - event.start).toFixed(1)} s`;
        row.append(make("td", "", clock(event.start)), action, make("td", "", duration),
          make("td", "", percent(event.peak)));
        return row;
      }));
    }

    // ---- the picture ---------------------------------------------------------------------------

    async picture() {
      const begun = performance.now();
      const pause = await this.fetchPicture();
      setTimeout(() => this.picture(), Math.max(20, pause - (performance.now() - begun)));
    }

    /** Fetch the picture once; answers how long to wait before the next time. */
    async fetchPicture() {
      const name = this.stream;
      if (document.hidden || !name || $("live").hidden) return PICTURE_MS;
      try {
        const reply = await fetch(`/preview/${encodeURIComponent(name)}.jpg`, {
          signal: AbortSignal.timeout(3000),
        });
        const jpeg = reply.status === 200 ? await reply.blob() : null;
        if (name !== this.stream) return PICTURE_MS;
        this.showPicture(jpeg, MISSING[reply.headers.get("X-Missing")] ?? MISSING["no-picture"]);
        return jpeg ? PICTURE_MS : NO_PICTURE_MS;
      } catch {
        this.showPicture(null, "No picture: the dashboard does not answer");
        return NO_PICTURE_MS;
      }
    }

    showPicture(jpeg, reason) {
      const image = $("picture");
      const old = image.src;
      image.hidden = !jpeg;
      $("no-picture").hidden = Boolean(jpeg);
      setText($("no-picture"), jpeg ? "" : reason);
      if (jpeg) {
        image.src = URL.createObjectURL(jpeg);
        image.alt = `Picture of ${this.stream}`;
      } else {
        image.removeAttribute("src");
      }
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    }

    async copy() {
      const command = $("push");
      try {
        await navigator.clipboard.writeText(command.textContent);
        setText($("copy"), "Copied");
        setTimeout(() => setText($("copy"), "Copy"), 1500);
      } catch {
        // Without HTTPS a browser gives no clipboard: mark the text, so that Ctrl+C takes it.
        getSelection().selectAllChildren(command);
      }
    }
  }

  /** Dash draws the page after these scripts are loaded: wait for the graph. */
  function whenDrawn(then) {
    const gd = document.querySelector("#graph .js-plotly-plot");
    if (gd && gd._fullLayout && window.Plotly) then(gd);
    else setTimeout(() => whenDrawn(then), 30);
  }

  whenDrawn((gd) => {
    const page = new Page(JSON.parse($("config").dataset.config));
    actionstream.page = page;
    page.start(gd);
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    actionstream: {
      choose(value) {
        actionstream.page?.choose(value);
        return window.dash_clientside.no_update;
      },
    },
  });
})(window.actionstream);
