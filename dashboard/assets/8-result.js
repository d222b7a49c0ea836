/* What a video shows: the video with its action, its scores, its actions in time. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, percent } = actionstream;
  const LINES = 8;
  const LEAST_PEAK = 0.1;
  const MARGIN = { l: 52, r: 14, t: 8, b: 26 };

  /** Media seconds as a player shows them. */
  function time(seconds) {
    const whole = Math.floor(seconds);
    const rest = (seconds - whole).toFixed(1).slice(1);
    const minutes = Math.floor(whole / 60) % 60;
    const hours = Math.floor(whole / 3600);
    const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}${rest}`;
    return hours ? `${hours}:${tail}` : tail;
  }

  /** Plotly reads a little markup in texts; these come from the network. */
  function plain(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  class Result {
    constructor(box, page) {
      this.box = box;
      this.page = page;
      this.job = null;
      this.build();
      this.tick = this.tick.bind(this);
      page.on("theme", () => this.draw());
      new ResizeObserver(() => this.job && this.placeCursor()).observe(this.plot);
    }

    build() {
      this.title = make("h2");
      this.downloads = make("p", "downloads");
      const head = make("div", "head");
      head.append(this.title, this.downloads);
      this.video = make("video");
      Object.assign(this.video, { controls: true, muted: true, playsInline: true, preload: "auto", loop: true });
      this.badge = make("div", "badge");
      this.badge.append(make("strong"), make("span", "share"));
      this.blank = make("p", "blank");
      const screen = make("div", "screen");
      screen.append(this.video, this.badge, this.blank);
      this.legend = make("ul", "keys-of-lines");
      this.chart = make("div", "chart");
      this.plot = make("div", "plotly-box");
      this.cursor = make("div", "cursor");
      this.cursor.hidden = true;
      this.strip = make("div", "strip");
      this.strip.setAttribute("role", "group");
      this.strip.setAttribute("aria-label", "Actions in time");
      this.chart.append(this.plot, this.strip, this.cursor);
      this.list = make("div", "segments");
      const view = make("div", "view");
      view.append(screen, this.list);
      const scores = make("div", "scores");
      scores.append(this.legend, this.chart);
      const panel = make("div", "panel");
      panel.append(head, view, scores);
      this.box.append(panel);
      this.listen();
    }

    listen() {
      for (const event of ["seeked", "pause", "loadeddata", "timeupdate"]) {
        this.video.addEventListener(event, () => this.placeCursor());
      }
      this.video.addEventListener("play", this.tick);
      this.video.addEventListener("error", () => this.unplayable());
      const seek = (event) => {
        if (event.buttons === 1) this.seek(this.timeAt(event.clientX));
      };
      this.plot.addEventListener("pointerdown", seek);
      this.plot.addEventListener("pointermove", seek);
    }

    /** Show the result of a job.
     *  @param {{labels: Map, reference: number}} model what is known of the model's labels */
    show(job, model) {
      this.clear();
      this.job = job;
      this.model = model;
      const { windows } = job.result;
      this.moments = windows.start.map((start, row) =>
        start + model.reference * (windows.end[row] - start));
      this.box.hidden = false;
      setText(this.title, job.file.name);
      this.drawDownloads();
      this.blank.textContent = "";
      this.url = URL.createObjectURL(job.file);
      this.video.hidden = false;
      this.video.src = this.url;
      this.video.setAttribute("aria-label", `Video ${job.file.name}`);
      this.draw();
      this.box.scrollIntoView({ block: "nearest", behavior: "smooth" });
      this.play();
    }

    async play() {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
      try {
        await this.video.play();
      } catch {
        // The browser wants a click first, or cannot play it, which its own event says.
      }
    }

    pause() {
      this.video.pause();
    }

    clear() {
      this.job = null;
      this.box.hidden = true;
      this.video.removeAttribute("src");
      this.video.load();
      if (this.url) URL.revokeObjectURL(this.url);
      this.url = null;
    }

    unplayable() {
      if (!this.url) return;
      this.video.hidden = true;
      this.badge.hidden = true;
      setText(this.blank,
        "This browser cannot play the file (perhaps H.265 or AVI). Its scores are below all the same.");
    }

    describe(name) {
      return this.model.labels.get(name)
        ?? { name, title: name.replace(/_/g, " "), background: name === "none", index: -1 };
    }

    colourOf(name) {
      const { index, background } = this.describe(name);
      const place = index < 0 ? this.job.result.windows.labels.indexOf(name) : index;
      return this.page.colour(place, background);
    }

    drawDownloads() {
      const links = [["json", "Download JSON"], ["csv", "Download CSV"]].map(([kind, text]) => {
        const link = make("a", "button", text);
        link.href = `/api/jobs/${this.job.id}/result.${kind}`;
        link.download = `${this.job.file.name}.${kind}`;
        return link;
      });
      this.downloads.replaceChildren(...links);
    }

    draw() {
      if (!this.job) return;
      this.drawSegments();
      this.drawLines();
      this.placeCursor();
    }

    // ---- actions in time -----------------------------------------------------------------------

    drawSegments() {
      const { segments, duration_s: length } = this.job.result;
      this.strip.replaceChildren(...segments.map((segment) => {
        const { title } = this.describe(segment.label);
        const bar = this.segmentButton(segment, "bar", title);
        bar.style.left = `${(100 * segment.start) / length}%`;
        bar.style.width = `${(100 * (segment.end - segment.start)) / length}%`;
        bar.title = `${title}, ${time(segment.start)} to ${time(segment.end)}, ${percent(segment.score)}`;
        bar.setAttribute("aria-label", bar.title);
        return bar;
      }));
      const rows = segments.map((segment) => {
        const row = this.segmentButton(segment, "row");
        row.append(make("span", "swatch"), make("span", "at", time(segment.start)),
          make("span", "what", this.describe(segment.label).title),
          make("span", "share", `${(segment.end - segment.start).toFixed(1)}\u00a0s · ${percent(segment.score)}`));
        return row;
      });
      const empty = make("p", "faint", "No action was sure enough to be reported. The scores tell what came close.");
      this.list.replaceChildren(make("h3", "", "Actions"), ...(rows.length ? rows : [empty]));
    }

    segmentButton(segment, look, text) {
      const button = make("button", look, text);
      button.type = "button";
      const colour = this.colourOf(segment.label);
      button.style.setProperty("--label", colour);
      button.style.setProperty("--ink-on", this.page.inkOn(colour));
      button.addEventListener("click", () => this.seek(segment.start));
      return button;
    }

    // ---- scores --------------------------------------------------------------------------------

    /** The columns that ever stood out, the strongest first. */
    columns() {
      const { labels, scores } = this.job.result.windows;
      const peaks = labels.map((name, column) =>
        ({ name, column, peak: scores.reduce((most, row) => Math.max(most, row[column]), 0) }));
      const some = peaks.filter(({ name, peak }) => peak >= LEAST_PEAK && !this.describe(name).background);
      return (some.length ? some : peaks).sort((a, b) => b.peak - a.peak).slice(0, LINES);
    }

    drawLines() {
      const style = getComputedStyle(document.documentElement);
      const colour = (name) => style.getPropertyValue(name).trim();
      const { windows, duration_s: length } = this.job.result;
      const columns = this.columns();
      const traces = columns.map(({ name, column }) => ({
        type: "scatter", mode: this.moments.length > 1 ? "lines" : "markers", x: this.moments,
        y: windows.scores.map((row) => row[column]), name: plain(this.describe(name).title),
        line: { color: this.colourOf(name), width: 2 }, hovertemplate: "%{y:.0%}",
      }));
      const axis = { gridcolor: colour("--grid"), zeroline: false, fixedrange: true };
      const layout = {
        margin: MARGIN, showlegend: false, hovermode: "x unified", dragmode: false,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
        font: { color: colour("--muted"), family: "system-ui, sans-serif", size: 12 },
        hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
        xaxis: { ...axis, range: [0, length], ticksuffix: " s", nticks: 8, hoverformat: ".1f" },
        yaxis: { ...axis, range: [-0.02, 1.02], tickformat: ".0%", tickvals: [0, 0.5, 1] },
      };
      window.Plotly.react(this.plot, traces, layout, { displayModeBar: false, responsive: true });
      this.legend.replaceChildren(...columns.map(({ name }) => {
        const item = make("li", "", this.describe(name).title);
        item.style.setProperty("--label", this.colourOf(name));
        return item;
      }));
    }

    // ---- the moment of the picture ---------------------------------------------------------------

    timeAt(clientX) {
      const { left, width } = this.plot.getBoundingClientRect();
      const share = (clientX - left - MARGIN.l) / (width - MARGIN.l - MARGIN.r);
      return Math.min(1, Math.max(0, share)) * this.job.result.duration_s;
    }

    seek(seconds) {
      this.video.currentTime = seconds;
      if (this.video.hidden) this.placeCursor(seconds);
    }

    tick() {
      if (!this.job || this.video.paused) return;
      this.placeCursor();
      requestAnimationFrame(this.tick);
    }

    placeCursor(at = this.video.currentTime) {
      if (!this.job) return;
      const width = this.plot.clientWidth - MARGIN.l - MARGIN.r;
      this.cursor.hidden = width <= 0;
      const share = Math.min(1, at / this.job.result.duration_s);
      this.cursor.style.transform = `translateX(${MARGIN.l + share * width}px)`;
      this.drawBadge(at);
    }

    /** The row whose moment is nearest to a time. */
    rowAt(at) {
      let low = 0;
      let high = this.moments.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.moments[middle] < at) low = middle + 1;
        else high = middle;
      }
      return low > 0 && at - this.moments[low - 1] < this.moments[low] - at ? low - 1 : low;
    }

    drawBadge(at) {
      const { labels, scores } = this.job.result.windows;
      const row = scores[this.rowAt(at)];
      const best = row.indexOf(Math.max(...row));
      const { title, background } = this.describe(labels[best]);
      this.badge.hidden = this.video.hidden;
      this.badge.classList.toggle("quiet", background);
      this.badge.style.setProperty("--label", this.colourOf(labels[best]));
      this.badge.style.setProperty("--share", row[best]);
      setText(this.badge.firstChild, title);
      setText(this.badge.lastChild, percent(row[best]));
    }
  }

  actionstream.Result = Result;
})(window.actionstream);
