/* Pictures of the cards that can be seen: fewer a second the more there are. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const TICK_MS = 100;
  // Every card once a second, but never more pictures a second than this in all.
  const EVERY_MS = 1000;
  const PICTURES_PER_S = 6;
  const AT_ONCE = 4;
  const MISSING_MS = 3000;
  const MISSING = {
    "no-picture": "No picture yet",
    "worker-away": "The worker does not answer",
    refused: "The worker wants another token",
  };

  class Pictures {
    constructor(page) {
      this.page = page;
      this.seen = new Map();
      this.busy = 0;
      this.byElement = new WeakMap();
      this.observer = new IntersectionObserver((entries) => this.look(entries), {
        rootMargin: "80px",
      });
      setInterval(() => this.tick(), TICK_MS);
    }

    watch(card) {
      this.byElement.set(card.element, card);
      this.observer.observe(card.element);
    }

    forget(card) {
      this.observer.unobserve(card.element);
      this.seen.delete(card);
    }

    look(entries) {
      for (const { target, isIntersecting } of entries) {
        const card = this.byElement.get(target);
        if (!isIntersecting) this.seen.delete(card);
        else if (!this.seen.has(card)) this.seen.set(card, 0);
      }
    }

    tick() {
      if (document.hidden || this.page.route !== "overview") return;
      const now = performance.now();
      const due = [...this.seen].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]);
      const pause = Math.max(EVERY_MS, (1000 * this.seen.size) / PICTURES_PER_S);
      for (const [card] of due.slice(0, Math.max(0, AT_ONCE - this.busy))) {
        this.seen.set(card, now + pause);
        this.fetch(card);
      }
    }

    async fetch(card) {
      const { name, state } = card.stream;
      if (state !== "live" && !card.picture.hidden && state !== "offline") return;
      this.busy += 1;
      try {
        const reply = await fetch(`/preview/${encodeURIComponent(name)}.jpg`, {
          signal: AbortSignal.timeout(3000),
        });
        const jpeg = reply.status === 200 ? await reply.blob() : null;
        const missing = reply.headers.get("X-Missing");
        if (jpeg || missing !== "no-picture" || card.picture.hidden) {
          card.show(jpeg, MISSING[missing] ?? MISSING["no-picture"]);
        }
        if (!jpeg) this.rest(card);
      } catch {
        card.show(null, "The dashboard does not answer");
        this.rest(card);
      } finally {
        this.busy -= 1;
      }
    }

    rest(card) {
      if (this.seen.has(card)) this.seen.set(card, performance.now() + MISSING_MS);
    }
  }

  actionstream.Pictures = Pictures;
})(window.actionstream);
