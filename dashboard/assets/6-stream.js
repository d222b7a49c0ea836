/* The stream page: one clock for video, graph and timeline. Puts the parts of the other 6-*.js
 * together; each of them does one thing. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, clock, percent, span: words, pathOf, STATES } = actionstream;
  const EVENT_ROWS = 60;
  const MARK_MS = 100;
  const EVENTS_ASKED = 1000;
  const EVENTS_KEPT = 4000;
  const EVENTS_EVERY_MS = 1500;
  const JUDGE_MS = 1000;
  const NOW_S = 2;
  const SAVED = "actionstream.stream";

  const $ = (id) => document.getElementById(id);

  function saved() {
    try {
      return JSON.parse(localStorage.getItem(SAVED)) ?? {};
    } catch {
      return {};
    }
  }

  class StreamPage {
    constructor(page, gd) {
      this.page = page;
      this.rows = [];
      this.events = new Map();
      this.history = new actionstream.History(() => this.historyChanged());
      this.graph = new actionstream.Graph(gd, page, this.history);
      this.view = this.graph.view;
      page.graph = this.graph;
      this.screen = new actionstream.Screen(page, this.history);
      this.addTimeline();
      this.addParts();
      this.addTools();
      this.graph.onDraw = (range) => this.drawn(range);
      this.view.on(() => this.drawView());
      page.on("stream", () => this.changed());
      page.on("detail", (detail) => this.take(detail));
      page.on("overview", () => this.drawKnown());
      page.on("route", () => this.routed());
      page.on("theme", () => this.themed());
      if (!page.config.read_only) page.shortcut("f", "Give feedback", () => this.markNow(), "stream");
      this.restore();
      this.changed();
      this.follow();
    }

    addTimeline() {
      const { page } = this;
      this.timeline = new actionstream.Timeline($("timeline"), this.graph, page);
      this.timeline.add("detected", "Detected", (bar) => this.dialog.open(bar.key, bar.event));
      this.timeline.add("tried", "If applied");
      this.timeline.add("truth", "Truth");
      this.timeline.add("file", "Your file");
      this.timeline.add("marked", "Feedback");
      for (const name of ["tried", "truth", "file", "marked"]) this.timeline.set(name, null);
    }

    addParts() {
      const { page, graph, history } = this;
      this.feedback = new actionstream.Feedback($("feedback"), page, {
        onChange: (entries) => this.drawMarked(entries),
        onShow: (span) => this.showSpan(span),
      });
      this.dialog = new actionstream.EventDialog($("event-dialog"), page, history, {
        onSay: (said) => this.feedback.say(said),
        onShow: (span) => this.showSpan(span),
      });
      this.cursor = new actionstream.Cursor($("plot"), graph, {
        onMove: (time) => this.moved(time),
        onSpan: (span) => this.drawMenu(span),
        onPause: () => this.pause(),
      });
      this.tuning = new actionstream.Tuning($("tuning"), page, graph, history, {
        onChange: () => this.tryOut(graph.drawn),
      });
      this.truthFile = new actionstream.TruthFile($("truth-file"), $("live"), page, graph, history, {
        onChange: () => this.compare(graph.drawn),
      });
    }

    // ---- tools above the graph -----------------------------------------------------------------

    addTools() {
      const { view, graph } = this;
      const click = (id, work) => $(id).addEventListener("click", work);
      click("pause", () => this.pause());
      click("earlier", () => view.scroll(-view.span / 2));
      click("later", () => view.scroll(view.span / 2));
      click("closer", () => this.cursor.zoom(0.5));
      click("wider", () => this.cursor.zoom(2));
      click("stacked", () => {
        graph.showStacked(!graph.stacked);
        this.drawTools();
      });
      click("csv", () => this.download(() => actionstream.downloadCsv(this.history, view.range())));
      click("png", () => this.download(
        () => actionstream.downloadPng(graph, this.page, this.timeline.lanes.get("detected").spans)));
      $("span").addEventListener("change", () => view.setSpan(Number($("span").value)));
      $("lines").addEventListener("change", () => {
        graph.showStrongest(Number($("lines").value));
        this.drawTools();
      });
    }

    async download(work) {
      try {
        await work();
        setText($("history-words"), "");
      } catch (error) {
        setText($("history-words"), error.message);
      }
    }

    pause() {
      if (this.view.live) this.view.pause();
      else this.view.goLive();
    }

    /** What this person chose the last time. */
    restore() {
      const { span, most, stacked } = saved();
      if (span) this.view.setSpan(span);
      const offered = [...$("lines").options].some((option) => option.value === String(most));
      if (offered) this.graph.showStrongest(most);
      if (stacked) this.graph.showStacked(true);
    }

    drawTools() {
      const { graph, view } = this;
      $("stacked").setAttribute("aria-pressed", String(graph.stacked));
      $("lines").value = graph.chosen ? "chosen" : String(graph.most);
      this.drawRows();
      try {
        localStorage.setItem(SAVED, JSON.stringify({
          span: view.span, most: graph.most, stacked: graph.stacked,
        }));
      } catch {
        // A browser that stores nothing forgets what was chosen; nothing else.
      }
    }

    drawView() {
      const { view } = this;
      const choice = $("span");
      const known = [...choice.options].some((option) => option.value === String(view.span));
      choice.querySelector(".own")?.remove();
      if (!known) {
        const own = make("option", "own", words(view.span));
        own.value = String(view.span);
        choice.append(own);
      }
      choice.value = String(view.span);
      const button = $("pause");
      button.setAttribute("aria-pressed", String(!view.live));
      setText(button, view.live ? "Pause" : "Back to live");
      $("later").disabled = view.live;
      const { to } = view.range();
      const behind = view.now() - to;
      setText($("view-words"), view.live ? "" : behind < 5 ? "Paused" : `${words(behind)} ago`);
      if (!view.live) this.cursor.draw();
      this.drawTools();
    }

    /** Mark what goes on at the cursor, or now: the action, else the last moments. */
    markNow() {
      const time = this.cursor.time ?? this.screen.shownAt() ?? this.graph.lastTime;
      if (time === null) return;
      const at = [...this.events.values()].filter((event) =>
        event.start <= time && (event.end ?? Infinity) > time).pop();
      const until = Math.max(time, this.graph.lastTime ?? time);
      const span = at ? { start: at.start, end: at.end ?? until } : { start: time - NOW_S, end: time };
      this.cursor.mark(span);
      $("span-menu").querySelector("button, select")?.focus();
    }

    // ---- another stream ------------------------------------------------------------------------

    /** Another stream was chosen: nothing of the last one may stay. */
    changed() {
      const { page } = this;
      this.history.reset(page.stream, [], 0.5);
      this.graph.reset([]);
      this.events.clear();
      this.view.offset = null;
      this.view.goLive();
      this.cursor.mark(null);
      for (const name of ["tried", "truth", "marked"]) this.timeline.set(name, null);
      this.drawEvents();
      this.buildLegend();
      this.feedback.load();
      this.tuning.restart();
      for (const id of ["action", "score", "words", "history-words"]) setText($(id), "");
      $("tiles").replaceChildren();
      $("event-dialog").close();
      this.askedEvents = null;
      this.wanted = new URLSearchParams(location.search).get("event");
      this.routed();
    }

    routed() {
      const { page } = this;
      const shown = page.route === "stream" && page.stream ? page.stream : "";
      if (shown !== this.onScreen) {
        this.onScreen = shown;
        this.screen.show(shown);
      }
      this.drawKnown();
    }

    themed() {
      this.graph.theme();
      this.timeline.stale();
      this.buildLegend();
      this.drawEvents();
      this.tuning.drawThresholds(this.tuning.rule(this.tuning.label));
    }

    /** Say so where there is no such stream. */
    drawKnown() {
      const { page } = this;
      if (!page.overview || page.route !== "stream") return;
      const known = page.overview.streams.some((stream) => stream.name === page.stream);
      for (const id of ["live", "tiles", "below"]) $(id).hidden = !known;
      $("no-stream").hidden = known;
      if (known) return;
      setText($("no-stream-title"),
        page.stream ? `No stream called “${page.stream}”` : "No stream yet");
    }

    // ---- what came in --------------------------------------------------------------------------

    take(detail) {
      const { graph, history, view } = this;
      if (detail.full) {
        const same = JSON.stringify(detail.labels) === JSON.stringify(graph.labels);
        history.reset(this.page.stream, detail.labels, detail.reference ?? 0.5);
        graph.reset(detail.labels);
        this.buildLegend();
        if (!same) this.tuning.restart();
        this.feedback.draw();
        this.openWanted();
      }
      view.setNow(detail.now);
      if (detail.points?.t) history.add(detail.points);
      if (detail.events) this.keepEvents(detail.events);
      if (detail.summary) {
        this.takeTruth(detail.summary.truth);
        this.drawSummary(detail.summary);
      }
    }

    historyChanged() {
      this.graph.dirty = true;
      setText($("history-words"), this.history.error
        ? `Only what arrives now is shown. ${this.history.error}` : "");
    }

    takeTruth(truth) {
      this.timeline.set("truth", truth?.map(([index, title, start, end]) =>
        ({ index, title, start, end })) ?? null);
    }

    /** Open the action that the address names. */
    openWanted() {
      const { wanted } = this;
      this.wanted = null;
      if (wanted) this.dialog.open(wanted);
    }

    // ---- actions -------------------------------------------------------------------------------

    keepEvents(events) {
      for (const event of events) this.events.set(event.id, event);
      if (this.events.size > EVENTS_KEPT) {
        const newest = [...this.events.values()].sort((a, b) => a.start - b.start).slice(-EVENTS_KEPT / 2);
        this.events = new Map(newest.map((event) => [event.id, event]));
      }
      this.drawEvents();
    }

    /** Actions of the view that are older than what arrived since the page was opened. */
    async askEvents({ from, to }) {
      const asked = this.askedEvents;
      if (asked && asked.from <= from && asked.to >= Math.min(to, asked.now)) return;
      if (performance.now() - (this.askedAt ?? -Infinity) < EVENTS_EVERY_MS) return;
      this.askedAt = performance.now();
      const { stream } = this.page;
      const margin = to - from;
      this.askedEvents = { from: from - margin, to: to + margin, now: this.view.now() };
      if (!(await actionstream.workerAnswers())) return;
      const query = new URLSearchParams({
        since: (from - margin).toFixed(3), until: (to + margin).toFixed(3), limit: EVENTS_ASKED,
      });
      const answer = await actionstream.api(`/streams/${pathOf(stream)}/events?${query}`)
        .catch(() => []);
      if (stream !== this.page.stream) return;
      const { labels } = this.page;
      this.keepEvents(answer.filter((event) => !this.events.has(event.id)).map((event) => {
        const label = labels.find(({ name }) => name === event.label);
        return { ...event, label: label ? label.index : -1, title: label?.title ?? event.label };
      }));
    }

    drawEvents() {
      const events = [...this.events.values()].sort((a, b) => a.start - b.start);
      this.timeline.set("detected", events.map((event) => ({
        key: event.id, title: event.title, index: event.label, score: event.peak,
        start: event.start, end: event.end, event,
      })));
      const newest = events.slice(-EVENT_ROWS).reverse();
      $("no-events").hidden = newest.length > 0;
      const key = JSON.stringify([newest, this.page.scheme]);
      if (key === this.eventsKey) return;
      this.eventsKey = key;
      $("event-rows").replaceChildren(...newest.map((event) => this.eventRow(event)));
    }

    eventRow(event) {
      const row = make("tr");
      row.dataset.open = String(event.end === null);
      const swatch = make("span", "swatch");
      swatch.style.setProperty("--label", this.page.colour(event.label));
      const open = make("button", "link", event.title);
      open.type = "button";
      open.addEventListener("click", () => this.dialog.open(event.id, event));
      const action = make("td");
      action.append(swatch, open);
      const duration = event.end === null ? "going on" : `${(event.end - event.start).toFixed(1)} s`;
      row.append(make("td", "", clock(event.start)), action, make("td", "", duration),
        make("td", "", percent(event.peak)));
      return row;
    }

    showSpan({ start, end }) {
      const margin = Math.max(5, end - start);
      this.view.zoom(start - margin, end + margin);
      this.cursor.mark({ start, end });
      $("plot").scrollIntoView({ block: "center" });
    }

    // ---- drawn -----------------------------------------------------------------------------------

    drawn(range) {
      this.tryOut(range);
      this.compare(range);
      this.askEvents(range);
      this.timeline.draw(range);
      this.cursor.draw();
      this.drawMoment();
      this.drawLegend();
    }

    async tryOut(range) {
      if (!range || !this.tuning) return;
      const tried = await this.tuning.tryOut(range);
      if (tried === undefined) return;
      if (tried === null) {
        if (this.wasTried) this.timeline.set("tried", null);
        this.wasTried = false;
        return;
      }
      this.wasTried = true;
      this.timeline.set("tried", tried.map(({ column, start, end, peak }) => {
        const { title, index } = this.page.labels[column];
        return { title, index, start, end, score: peak };
      }));
      const real = [...this.events.values()].filter((event) =>
        event.start < range.to && (event.end ?? Infinity) > range.from);
      this.tuning.compare(real.length, tried.length);
      this.graph.dirty = true;
    }

    compare(range) {
      if (!range || !this.truthFile?.video) {
        if (this.compared) this.timeline.set("file", null);
        this.compared = false;
        return;
      }
      if (this.compared && performance.now() - this.judgedAt < JUDGE_MS) return;
      this.compared = true;
      this.judgedAt = performance.now();
      const { from, to } = range;
      this.timeline.set("file", this.truthFile.bars({ from: from - (to - from), to: to + (to - from) }));
      this.truthFile.judge(range);
    }

    drawMarked(entries) {
      const bars = entries.map(({ id, verdict, label, start, end }) => {
        const known = this.page.labels.find(({ name }) => name === label);
        const title = known?.title ?? label ?? "";
        return {
          key: String(id), start, end, mark: verdict, title: verdict === "wrong" ? `not ${title}` : title,
          index: known ? known.index : -1, background: known?.background,
        };
      });
      this.timeline.set("marked", bars.length ? bars : null);
      this.graph.dirty = true;
    }

    /** The moment of the picture on the screen, in the graph; and what went on in it. */
    follow() {
      setInterval(() => {
        if (document.hidden || this.page.route !== "stream" || $("live").hidden) return;
        this.screen.drawCaption();
        this.drawMoment();
      }, MARK_MS);
    }

    drawMoment() {
      const mark = $("moment");
      const time = this.screen.video.shownAt();
      const { drawn } = this.graph;
      // A graph that is drawn late is no reason to lose the mark at its newest end.
      const shown = drawn && time !== null && time >= drawn.from && (time <= drawn.to || this.view.moving);
      mark.hidden = !shown;
      if (!shown) return;
      mark.style.transform = `translateX(${this.graph.place(Math.min(time, drawn.to))}px)`;
    }

    moved(time) {
      this.screen.showPast(time);
      this.screen.drawCaption();
      this.drawLegend();
    }

    // ---- a marked span -------------------------------------------------------------------------

    drawMenu(span) {
      const menu = $("span-menu");
      menu.hidden = !span;
      if (!span) return;
      const { labels, config } = this.page;
      const close = () => {
        this.cursor.mark(null);
        this.cursor.set(null);
      };
      const button = (text, work, label) => {
        const one = make("button", "button tool", text);
        one.type = "button";
        if (label) one.setAttribute("aria-label", label);
        one.addEventListener("click", work);
        return one;
      };
      const zoom = button("Zoom in", () => {
        close();
        this.view.zoom(span.start, span.end);
      });
      const lasts = make("span", "says", `${clock(span.start)} – ${clock(span.end)} · ${(span.end - span.start).toFixed(1)} s`);
      menu.replaceChildren(lasts, zoom);
      if (!config.read_only) {
        const [label, score] = actionstream.strongestOver(this.history, labels, span);
        menu.append(actionstream.verdictButtons(this.page, label, score, async (verdict, name) => {
          const stored = await this.feedback.say({ ...span, verdict, label: name });
          if (stored) close();
          else menu.append(make("p", "words", this.feedback.words.textContent));
        }));
      }
      menu.append(button("×", close, "Close"));
      menu.onkeydown = (event) => {
        if (event.key !== "Escape") return;
        close();
        $("plot").focus();
      };
    }

    // ---- the classes ---------------------------------------------------------------------------

    buildLegend() {
      this.rows = this.page.labels.map((label) => {
        const row = make("button", "class");
        row.type = "button";
        row.title = "Show or hide this line";
        row.style.setProperty("--label", this.page.colour(label.index, label.background));
        row.dataset.dash = label.background ? "dot" : this.page.dash(label.index);
        const value = make("span", "share");
        row.append(make("span", "swatch"), make("span", "name", label.title), value);
        row.addEventListener("click", () => {
          this.graph.toggle(label.name);
          this.drawTools();
        });
        return { row, value, label };
      });
      $("legend").replaceChildren(...this.rows.map(({ row }) => row));
      this.drawRows();
      this.drawLegend();
    }

    drawRows() {
      for (const { row, label } of this.rows) {
        const shown = String(this.graph.isShown(label.name));
        if (row.getAttribute("aria-pressed") !== shown) row.setAttribute("aria-pressed", shown);
      }
    }

    /** Scores at the cursor, else the newest. */
    drawLegend() {
      const { time } = this.cursor;
      const at = time === null ? null : this.history.at(time);
      const newest = time === null ? this.graph.newest() : null;
      this.rows.forEach(({ row, value }, column) => {
        const score = newest ? newest[column] : at ? at.rows.score(at.row, column) : null;
        const text = score === null || score !== score ? "–" : percent(score);
        if (value.textContent === text) return;
        value.textContent = text;
        row.style.setProperty("--share", score || 0);
      });
      this.drawRows();
    }

    // ---- figures -------------------------------------------------------------------------------

    drawSummary(summary) {
      const state = $("state");
      const paused = Boolean(this.page.control?.paused);
      state.dataset.state = paused ? "paused" : summary.state;
      setText(state, paused ? "Paused" : STATES[summary.state]);
      const open = [...this.events.values()].find((event) => event.end === null);
      const lasting = open && this.graph.lastTime > open.start
        ? `${open.title} for ${Math.round(this.graph.lastTime - open.start)} s` : "";
      setText($("words"), summary.words || lasting);
      this.screen.shape(summary.resolution);
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
  }

  /** The graph is drawn by Dash, later than the rest of the page. */
  function whenDrawn() {
    return new Promise((resolve) => {
      const look = () => {
        const gd = document.querySelector("#graph .js-plotly-plot");
        if (gd && gd._fullLayout && window.Plotly) resolve(gd);
        else setTimeout(look, 30);
      };
      look();
    });
  }

  actionstream.ready(async (page) => {
    actionstream.streamPage = new StreamPage(page, await whenDrawn());
  });
})(window.actionstream);
