/* The page: which of its parts is shown, what is known, and who wants to hear of news.
 *
 *   page.route      "overview" | "stream" | "health" | "uploads" | "webcam" | "missing"
 *   page.stream     name of the chosen stream, or ""
 *   page.overview   every stream in short, the broker and the worker
 *   page.labels     classes of the chosen stream that have a line
 *   page.summary    figures of the chosen stream
 *   page.control    {paused, rules, error} in force for it, or null while nothing was said
 *   page.scheme     "light" | "dark"
 *   page.browserMs  milliseconds from the arrival of an increment to the screen
 *   page.now()      UTC seconds by the dashboard's clock
 *   page.on(event, fn)  "route" (route), "stream" (name), "detail" (increment), "overview"
 *                       (overview), "health" (figures of every stream, on that page alone),
 *                       "link" (whether the dashboard answers), "theme" (scheme)
 *   page.shortcut(key, words, act, route)
 */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { setText, pathOf } = actionstream;
  const TITLES = {
    overview: "Overview", stream: "Stream", health: "Health", uploads: "Uploads", webcam: "Webcam",
    missing: "Not found",
  };

  const UNMEASURED = 5;

  const $ = (id) => document.getElementById(id);

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** What the address asks for. */
  function fromAddress() {
    const path = location.pathname.replace(/\/+$/, "") || "/";
    if (path === "/") return { route: "overview", stream: "" };
    if (path === "/stream") return { route: "stream", stream: "" };
    if (path.startsWith("/stream/")) {
      return { route: "stream", stream: decoded(path.slice("/stream/".length)) };
    }
    const route = path.slice(1);
    const known = route in TITLES && route !== "missing" && route !== "overview";
    return { route: known ? route : "missing", stream: "" };
  }

  class Page {
    constructor(config) {
      this.config = config;
      this.route = "";
      this.stream = "";
      this.overview = null;
      this.linkUp = null;
      this.listeners = new Map();
      this.forget();
      this.readScheme();
      this.ahead = 0;
      this.browserMs = null;
      this.measured = 0;
      this.shortcuts = new actionstream.Shortcuts(this);
      this.feed = new actionstream.Feed({
        onAnswer: (answer) => this.take(answer),
        onLink: (up) => this.link(up),
      });
    }

    forget() {
      this.labels = [];
      this.summary = null;
      this.control = null;
    }

    /** Hear of something; the answer ends it. */
    on(event, listener) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(listener);
      return () => this.listeners.get(event).delete(listener);
    }

    /** Let a key do something; on one page, or on all without a route. */
    shortcut(key, words, act, route = "") {
      this.shortcuts.add(key, words, act, route);
    }

    /** UTC seconds now by the dashboard's clock, which need not be this computer's. */
    now() {
      return Date.now() / 1000 + this.ahead;
    }

    emit(event, value) {
      for (const listener of this.listeners.get(event) ?? []) listener(value);
    }

    async start(waits) {
      document.addEventListener("click", (event) => this.follow(event));
      window.addEventListener("popstate", () => this.arrive());
      new MutationObserver(() => this.themed()).observe(document.documentElement, {
        attributes: true, attributeFilter: ["data-mantine-color-scheme"],
      });
      this.addShortcuts();
      this.arrive();
      this.feed.start();
      // A part of the page that fails says so in the console and leaves the others alone.
      await Promise.all(waits.map((wait) => wait.catch((error) => console.error(error))));
      this.attached = true;
      this.ask();
    }

    addShortcuts() {
      document.querySelectorAll("header nav a[data-page]").forEach((link, place) => {
        const words = `Go to ${link.textContent}`;
        this.shortcut(String(place + 1), words, () => this.go(link.pathname));
      });
      this.shortcut("d", "Light or dark", () => $("scheme").click());
      this.shortcut("?", "These keys", () => this.shortcuts.show());
      $("keys").addEventListener("click", () => this.shortcuts.show());
    }

    // ---- where we are --------------------------------------------------------------------------

    /** Links of our own change the page without loading it again. */
    follow(event) {
      const link = event.target.closest?.("a[href]");
      if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.download) return;
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      if (link.origin !== location.origin || link.hash || !link.dataset.page) return;
      event.preventDefault();
      this.go(link.pathname);
    }

    /** Go to a page by its path. */
    go(path) {
      if (path !== location.pathname) history.pushState(null, "", path);
      this.arrive();
      scrollTo(0, 0);
    }

    /** Show a stream. */
    choose(name) {
      if (name && (name !== this.stream || this.route !== "stream")) this.go(this.address(name));
    }

    address(name) {
      return `/stream/${pathOf(name)}`;
    }

    arrive() {
      const { route, stream } = fromAddress();
      const moved = route !== this.route;
      this.route = route;
      for (const section of document.querySelectorAll("main > [data-page]")) {
        section.hidden = section.dataset.page !== route;
      }
      for (const link of document.querySelectorAll("nav a[data-page]")) {
        if (link.dataset.page === route) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      $("chooser-box").hidden = route !== "stream";
      if (moved) this.emit("route", route);
      if (route === "stream") this.select(stream || this.stream || this.firstStream());
      this.ask();
      this.entitle();
      this.drawNotice();
      this.drawChooser();
    }

    /** Make a stream the chosen one. */
    select(name) {
      if (name === this.stream) return;
      this.stream = name;
      this.forget();
      this.emit("stream", name);
    }

    firstStream() {
      const streams = this.overview?.streams ?? [];
      return (streams.find((stream) => stream.state === "live") ?? streams[0])?.name ?? "";
    }

    /** Ask for what is shown and nothing else. */
    ask() {
      const stream = this.route === "stream" && this.attached ? this.stream : "";
      this.feed.show(stream, this.route === "health");
    }

    entitle() {
      const title = this.route === "stream" && this.stream ? this.stream : TITLES[this.route];
      document.title = `${title} · actionstream`;
    }

    // ---- what came in --------------------------------------------------------------------------

    link(up) {
      if (this.linkUp === up) return;
      this.linkUp = up;
      this.drawNotice();
      this.emit("link", up);
    }

    /** How long an increment takes from its arrival to the screen. */
    measure() {
      if (this.measuring) return;
      this.measuring = true;
      const arrived = performance.now();
      requestAnimationFrame(() => setTimeout(() => {
        this.measuring = false;
        const took = performance.now() - arrived;
        this.measured += 1;
        // The first ones come while the page is still being built.
        if (this.measured > UNMEASURED) this.browserMs = this.browserMs === null ? took : this.browserMs + 0.1 * (took - this.browserMs);
      }));
    }

    take(answer) {
      this.measure();
      if (answer.at) this.ahead = answer.at - Date.now() / 1000;
      if (answer.overview) {
        this.overview = answer.overview;
        if (this.route === "stream" && !this.stream) this.arrive();
        this.drawService();
        this.drawNotice();
        this.drawChooser();
        this.emit("overview", answer.overview);
      }
      if (answer.health) this.emit("health", answer.health);
      if (answer.detail) this.takeDetail(answer.detail);
    }

    takeDetail(detail) {
      if (detail.full) this.labels = detail.labels;
      if (detail.summary) this.summary = detail.summary;
      if (detail.control !== undefined) this.control = detail.control;
      this.emit("detail", detail);
    }

    // ---- colours -------------------------------------------------------------------------------

    readScheme() {
      const { mantineColorScheme } = document.documentElement.dataset;
      this.scheme = mantineColorScheme === "dark" ? "dark" : "light";
    }

    themed() {
      this.readScheme();
      this.emit("theme", this.scheme);
    }

    /** Colour of a label by its place in the model's order; -1 is a label the model lacks. */
    colour(index, background = false) {
      const { palette, background: grey } = this.config;
      if (background || index < 0) return grey[this.scheme];
      return palette[this.scheme][index % palette[this.scheme].length];
    }

    /** Black or white, whichever can be read better on a colour `#rrggbb` (WCAG 2.2). */
    inkOn(colour) {
      const [red, green, blue] = [1, 3, 5].map((at) => {
        const share = parseInt(colour.slice(at, at + 2), 16) / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
    }

    /** Dash of a label's line: tells those apart that share a colour. */
    dash(index) {
      const { dashes, palette } = this.config;
      return dashes[Math.floor(index / palette.light.length) % dashes.length];
    }

    // ---- what every page shows -----------------------------------------------------------------

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
      } else if (this.overview?.streams.length) {
        if (!this.overview.broker) {
          text = `The MQTT broker at ${this.overview.address} is away. Trying again …`;
        } else if (this.overview.worker === false) {
          text = "The worker is offline: nothing is analysed until it is back.";
        }
      }
      notice.hidden = !text;
      setText(notice, text);
    }

    drawChooser() {
      if (!this.overview || !window.dash_clientside?.set_props) return;
      const names = this.overview.streams.map((stream) => stream.name);
      if (this.stream && !names.includes(this.stream)) names.push(this.stream);
      const key = JSON.stringify([names, this.stream]);
      if (key === this.chooserKey) return;
      this.chooserKey = key;
      const data = names.map((name) => ({ value: name, label: name }));
      window.dash_clientside.set_props("chooser", { data, value: this.stream || null });
    }
  }

  /** Dash draws the page after these scripts are loaded. */
  function whenDrawn(then) {
    if ($("config") && $("chooser-box")) then();
    else setTimeout(() => whenDrawn(then), 30);
  }

  whenDrawn(() => {
    const page = new Page(JSON.parse($("config").dataset.config));
    actionstream.page = page;
    page.start(actionstream.waiting.map(async (attach) => attach(page)));
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    actionstream: {
      choose(value) {
        if (actionstream.page?.route === "stream") actionstream.page.choose(value);
        return window.dash_clientside.no_update;
      },
    },
  });
})(window.actionstream);
