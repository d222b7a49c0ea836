/* The page of health: what runs, and how every stream fares over time. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { Chart, api, make, setText, pathOf, STATES } = actionstream;
  const KEPT = 300;
  const PARTS_MS = 5000;
  const HISTORY_MS = 30000;
  const BUCKETS = 120;
  const STAGES = [
    ["capture", "Camera and network"], ["decode", "Decoding"], ["wait", "Waiting"],
    ["model", "Model"], ["publish", "Publishing"], ["browser", "Browser"],
  ];

  const $ = (id) => document.getElementById(id);

  /** Milliseconds by stage; what no stage accounts for was spent before decoding. */
  function stagesOf(latency, browser) {
    if (!latency) return {};
    const { total, decode, wait, model, publish = null } = latency;
    return {
      capture: Math.max(0, total - decode - wait - model), decode, wait, model,
      publish: publish === null ? null : Math.max(0, publish), browser,
    };
  }

  /** One stream: a line of figures, and its charts when opened. */
  class Vitals {
    constructor(page, name) {
      this.page = page;
      this.name = name;
      this.rows = [];
      this.past = null;
      this.build();
    }

    build() {
      this.element = make("details", "vital");
      const line = make("summary");
      this.dot = make("span", "dot");
      this.title = make("span", "name", this.name);
      this.words = make("span", "faint");
      const who = make("span", "who");
      who.append(this.dot, this.title, this.words);
      line.append(who);
      this.cells = new Map([["fps", "Frame rate"], ["missing", "Missing frames"],
        ["lost", "Lost windows"], ["latency", "Latency"]].map(([key, title]) => {
        const cell = make("span", `cell ${key}`);
        const value = make("strong");
        const chart = new Chart({ small: true });
        cell.append(make("span", "faint", title), value, chart.element);
        line.append(cell);
        return [key, { value, chart }];
      }));
      this.charts = {
        latency: new Chart({ title: "Latency by stage", unit: "ms", least: 10 }),
        rate: new Chart({ title: "Frame rate", unit: "fps", least: 1 }),
        missing: new Chart({ title: "Missing frames", unit: "%", least: 1 }),
        lost: new Chart({ title: "Windows lost or dropped", unit: "", least: 1 }),
      };
      this.facts = make("p", "faint facts");
      this.problem = make("p", "wrong");
      const charts = make("div", "charts");
      charts.append(...Object.values(this.charts).map((chart) => chart.element));
      this.element.append(line, this.facts, this.problem, charts);
      this.element.addEventListener("toggle", () => this.onOpen?.());
    }

    /** Take the figures of this second. */
    take(figures, now) {
      const before = this.figures ?? figures;
      const grown = (key) => Math.max(0, figures[key] - before[key]);
      const places = grown("places");
      this.figures = figures;
      this.rows.push({
        at: now, fps: figures.state === "live" ? figures.fps : null,
        missing: places ? (100 * grown("missing")) / places : null,
        lost: grown("lost") + grown("dropped"),
        ...stagesOf(figures.latency, this.page.browserMs),
      });
      if (this.rows.length > KEPT) this.rows.shift();
      this.drawLine();
      if (this.element.open && !this.past) this.drawCharts();
    }

    column(key) {
      return this.rows.map((row) => row[key] ?? null);
    }

    get colours() {
      return STAGES.map((_, place) => this.page.colour(place));
    }

    drawLine() {
      const { figures } = this;
      this.element.dataset.state = figures.state;
      setText(this.words, figures.state === "live" ? "" : STATES[figures.state]);
      const at = this.column("at");
      const plain = [{ colour: this.page.colour(0) }];
      const set = (key, text, values) => {
        const { value, chart } = this.cells.get(key);
        setText(value, text);
        chart.show(at, plain.map((line) => ({ ...line, values })));
      };
      const share = figures.places ? figures.missing / figures.places : null;
      const { fps } = this.rows.at(-1);
      set("fps", fps === null ? "–" : `${fps.toFixed(1)}\u00a0fps`, this.column("fps"));
      set("missing", share === null ? "–" : `${(100 * share).toFixed(1)}\u00a0%`, this.column("missing"));
      set("lost", `${figures.lost} · ${figures.dropped} dropped`, this.column("lost"));
      const { latency } = figures;
      const total = STAGES.reduce((sum, [stage]) => sum + (this.rows.at(-1)[stage] ?? 0), 0);
      setText(this.cells.get("latency").value, latency ? `${Math.round(total)}\u00a0ms` : "–");
      this.cells.get("latency").chart.show(at, this.stacked(this.rows), { stacked: true });
    }

    stacked(rows) {
      const { colours } = this;
      return STAGES.map(([stage], place) =>
        ({ colour: colours[place], values: rows.map((row) => row[stage] ?? null) }));
    }

    drawCharts() {
      const rows = this.past ?? this.rows;
      const { figures } = this;
      const at = rows.map((row) => row.at);
      const line = (key) => [{ colour: this.page.colour(0), values: rows.map((row) => row[key] ?? null) }];
      this.charts.latency.show(at, this.stacked(rows), { stacked: true });
      setText(this.charts.rate.caption, this.past ? "Windows per second" : "Frame rate");
      this.charts.rate.unit = this.past ? "/s" : "fps";
      this.charts.rate.show(at, line(this.past ? "rate" : "fps"));
      this.charts.missing.show(at, line("missing"));
      this.charts.lost.show(at, line("lost"));
      const parts = [figures.resolution?.replace("x", " × "), figures.codec?.toUpperCase(), figures.model];
      const stages = STAGES.map(([stage, title]) => [title, this.rows.at(-1)[stage]])
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([title, value]) => `${title} ${value.toFixed(1)} ms`);
      setText(this.facts, [parts.filter(Boolean).join(" · "), stages.join(" · ")].filter(Boolean).join("\n"));
      setText(this.problem, this.trouble || figures.error || "");
    }

    /** Show a span of the history instead of the last minutes; 0: the last minutes again. */
    async look(span) {
      this.trouble = "";
      if (!span) {
        this.past = null;
      } else {
        try {
          this.past = await this.fetchPast(span);
        } catch (error) {
          this.past = [];
          this.trouble = error.message;
        }
      }
      if (this.figures) this.drawCharts();
    }

    async fetchPast(span) {
      const since = this.page.now() - span;
      const query = new URLSearchParams({ since, until: since + span, buckets: BUCKETS });
      const past = await api(`/streams/${pathOf(this.name)}/health?${query}`);
      const perWindow = Math.max(1, (this.figures?.places ?? 0) / Math.max(1, this.figures?.received ?? 1));
      return past.at.map((at, row) => {
        const stage = (name) => past.latency[name]?.p50[row] ?? null;
        const windows = past.windows[row];
        const latency = stage("total") === null ? null
          : { total: stage("total"), decode: stage("decode"), wait: stage("wait"), model: stage("model") };
        return {
          at, rate: windows / past.bucket_s, lost: past.missing[row],
          missing: windows ? (100 * past.frames_missing[row]) / (windows * perWindow) : null,
          ...stagesOf(latency, null),
        };
      });
    }
  }

  class Health {
    constructor(page) {
      this.page = page;
      this.vitals = new Map();
      this.worker = null;
      this.models = null;
      this.parts = new Map();
      this.range = 0;
      $("range").addEventListener("change", () => this.lookAll(Number($("range").value)));
      page.on("health", (streams) => this.take(streams));
      page.on("overview", () => this.drawParts());
      page.on("link", () => this.drawParts());
      page.on("route", () => this.arrive());
      page.on("theme", () => this.drawStages());
      setInterval(() => this.ask(), PARTS_MS);
      setInterval(() => this.range && this.lookAll(this.range), HISTORY_MS);
      this.arrive();
    }

    get here() {
      return this.page.route === "health" && !document.hidden;
    }

    arrive() {
      if (!this.here) return;
      this.drawStages();
      this.drawParts();
      this.ask();
    }

    drawStages() {
      $("stages").replaceChildren(...STAGES.map(([, title], place) => {
        const item = make("li", "", title);
        item.style.setProperty("--label", this.page.colour(place));
        return item;
      }));
    }

    async ask() {
      if (!this.here) return;
      try {
        this.worker = await actionstream.request("/worker.json");
      } catch {
        this.worker = null;
      }
      if (this.worker?.answers) this.models = await api("/models").catch(() => null);
      this.drawParts();
    }

    // ---- what runs -------------------------------------------------------------------------------

    drawParts() {
      const { overview, linkUp } = this.page;
      if (!overview || this.page.route !== "health") return;
      this.part("Dashboard", linkUp ? ["live", "Answers", this.browserDetails()]
        : ["offline", "Does not answer", "Trying again by itself"]);
      this.part("MQTT broker", overview.broker ? ["live", "Connected", this.brokerDetails(overview)]
        : ["offline", "Away", overview.error || `Nobody answers at ${overview.address}`]);
      this.part("Worker", this.workerState(overview));
      this.part("Video server", this.serverState(overview));
      this.part("Model", this.modelState(overview));
    }

    browserDetails() {
      const { browserMs } = this.page;
      return browserMs === null ? "" : `What is new is on the screen after ${Math.round(browserMs)}\u00a0ms`;
    }

    brokerDetails({ address, malformed, refused }) {
      const details = [address];
      if (malformed) details.push(`${malformed} malformed messages ignored`);
      if (refused) details.push(`${refused} messages of too many streams ignored`);
      return details.join(" · ");
    }

    workerState({ worker }) {
      const said = this.worker;
      if (!said) return ["connecting", "Asking \u2026", ""];
      if (said.answers && said.ready) return ["live", "Ready", said.address];
      if (said.answers) return ["stalled", "Not ready", said.words];
      if (worker) return ["stalled", "Sends results", `Its REST API does not answer at ${said.address}`];
      return ["offline", "Does not answer", `Nobody answers at ${said.address}`];
    }

    serverState({ streams, worker }) {
      const where = $("parts").dataset.address;
      const live = streams.filter(({ state }) => state === "live").length;
      if (!worker) return ["connecting", "Unknown", `Nobody looks at ${where} while the worker is away`];
      if (!streams.length) return ["connecting", "No video yet", `Send some to ${where}`];
      if (!live) return ["stalled", "No video arrives", `0 of ${streams.length} streams bring pictures · ${where}`];
      return ["live", "Brings video", `${live} of ${streams.length} streams bring pictures · ${where}`];
    }

    modelState() {
      const used = this.models?.find((model) => model.default) ?? this.models?.[0];
      if (!used) return ["connecting", "Unknown", "The worker tells which one it uses"];
      const more = this.models.length > 1 ? ` · ${this.models.length} models can be chosen` : "";
      return ["live", used.name, `${used.version} · ${used.labels.length} classes${more}`];
    }

    part(title, [state, word, details]) {
      let part = this.parts.get(title);
      if (!part) {
        const element = make("div", "part panel");
        element.setAttribute("role", "listitem");
        part = { element, word: make("strong"), details: make("p", "faint") };
        element.append(make("h2", "", title), part.word, part.details);
        $("parts").append(element);
        this.parts.set(title, part);
      }
      part.element.dataset.state = state;
      setText(part.word, word);
      setText(part.details, details);
    }

    // ---- streams ---------------------------------------------------------------------------------

    take(streams) {
      const names = new Set(streams.map(({ name }) => name));
      for (const [name, vitals] of this.vitals) {
        if (names.has(name)) continue;
        vitals.element.remove();
        this.vitals.delete(name);
      }
      setText($("no-vitals"), streams.length ? "" : "No stream yet. Its figures appear here as soon as one is sent.");
      streams.forEach((figures, place) => {
        const vitals = this.vitals.get(figures.name) ?? this.addVitals(figures.name, place);
        vitals.take(figures, this.page.now());
      });
    }

    addVitals(name, place) {
      const vitals = new Vitals(this.page, name);
      vitals.element.open = place === 0 && !this.vitals.size;
      vitals.onOpen = () => vitals.element.open && vitals.look(this.range);
      this.vitals.set(name, vitals);
      const box = $("vitals");
      box.insertBefore(vitals.element, box.children[place] ?? null);
      return vitals;
    }

    async lookAll(range) {
      this.range = range;
      if (!this.here) return;
      const open = [...this.vitals.values()].filter(({ element }) => element.open);
      await Promise.all(open.map((vitals) => vitals.look(range)));
    }
  }

  actionstream.ready((page) => { actionstream.healthPage = new Health(page); });
})(window.actionstream);
