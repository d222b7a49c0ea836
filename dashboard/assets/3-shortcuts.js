/* Keys: what they do, their list on `?`, and the switch that turns them off. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make } = actionstream;
  const KEPT = "actionstream.keys";

  /** Storage is refused in some private windows. */
  function remembered() {
    try {
      return localStorage.getItem(KEPT) !== "off";
    } catch {
      return true;
    }
  }

  function remember(on) {
    try {
      localStorage.setItem(KEPT, on ? "on" : "off");
    } catch {
      // Then it holds until the page is closed.
    }
  }

  class Shortcuts {
    constructor(page) {
      this.page = page;
      this.on = remembered();
      this.keys = [];
      document.addEventListener("keydown", (event) => this.press(event));
    }

    /** @param {string} route the page on which the key does something; empty: on every one */
    add(key, words, act, route = "") {
      this.keys.push({ key, words, act, route });
    }

    press(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.target.closest?.("input, select, textarea, dialog, [contenteditable], [role=menu]")) return;
      const found = this.keys.find(({ key, route }) =>
        key === event.key && (!route || route === this.page.route));
      if (!found || !(this.on || found.key === "?")) return;
      event.preventDefault();
      found.act();
    }

    build() {
      this.dialog = make("dialog", "dialog keys");
      const title = make("h2", "", "Keys");
      title.id = "keys-title";
      this.dialog.setAttribute("aria-labelledby", title.id);
      this.list = make("dl");
      const close = make("button", "button", "Close");
      close.type = "button";
      close.addEventListener("click", () => this.dialog.close());
      const label = make("label", "check");
      const box = make("input");
      Object.assign(box, { type: "checkbox", checked: this.on });
      box.addEventListener("change", () => {
        this.on = box.checked;
        remember(box.checked);
      });
      label.append(box, "Use these keys");
      const buttons = make("div", "buttons");
      buttons.append(label, close);
      this.dialog.append(title, this.list, buttons);
      document.body.append(this.dialog);
    }

    show() {
      if (!this.dialog) this.build();
      const here = this.keys.filter(({ route }) => !route || route === this.page.route);
      this.list.replaceChildren(...here.flatMap(({ key, words }) => {
        const name = make("dt");
        name.append(make("kbd", "", key === " " ? "Space" : key));
        return [name, make("dd", "", words)];
      }));
      this.dialog.showModal();
    }
  }

  actionstream.Shortcuts = Shortcuts;
})(window.actionstream);
