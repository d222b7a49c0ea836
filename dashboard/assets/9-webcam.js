/* The camera of this computer, published by WHIP (RFC 9725): choose it, name it, start and stop it,
 * and see beside it what is recognised. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, percent, pathOf, STATES } = actionstream;
  const $ = (id) => document.getElementById(id);
  const NAME = /^[0-9A-Za-z_~.-]+(\/[0-9A-Za-z_~.-]+)*$/;
  const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  const BITS_PER_S = 2_500_000;
  const GATHER_MS = 500;
  const CONNECT_MS = 10000;
  const GONE_MS = 5000;
  const FAILURES = {
    NotAllowedError: "The browser was not allowed to use the camera. Allow it in the address bar, then start again.",
    NotFoundError: "This computer has no camera, or the browser finds none.",
    NotReadableError: "The camera is in use by another program. Close that, then start again.",
    OverconstrainedError: "The chosen camera is gone. Choose another one.",
  };

  class Webcam {
    constructor(page) {
      this.page = page;
      this.name = "";
      this.build();
      $("webcam-start").addEventListener("click", () => (this.pc ? this.stop() : this.start()));
      page.on("overview", () => this.draw());
      page.on("route", (route) => route === "webcam" && this.list());
      window.addEventListener("pagehide", () => this.stop());
      navigator.mediaDevices?.addEventListener?.("devicechange", () => this.list());
      this.list();
      this.draw();
    }

    build() {
      this.camera = make("select");
      this.camera.id = "webcam-camera";
      $("webcam-cameras").append(this.camera);
      this.input = make("input");
      Object.assign(this.input, {
        id: "webcam-name", type: "text", value: "webcam", maxLength: 64, spellcheck: false, autocomplete: "off",
      });
      $("webcam-names").append(this.input);
      this.preview = make("video");
      Object.assign(this.preview, { muted: true, autoplay: true, playsInline: true, hidden: true });
      this.preview.setAttribute("aria-label", "What the camera sees now");
      $("webcam-picture").prepend(this.preview);
    }

    /** Fill the list of cameras; browsers tell their names only after the first permission. */
    async list() {
      if (!navigator.mediaDevices) {
        this.say("Browsers give pages a camera only on https or on localhost. Open this page there: "
          + `http://localhost:${location.port || 80}/webcam on this computer, or behind a proxy with TLS.`);
        $("webcam-start").disabled = true;
        return;
      }
      const devices = await navigator.mediaDevices.enumerateDevices();
      const cameras = devices.filter((device) => device.kind === "videoinput");
      const chosen = this.camera.value;
      const options = cameras.map((camera, place) => {
        const option = make("option", "", camera.label || `Camera ${place + 1}`);
        option.value = camera.deviceId;
        return option;
      });
      if (!options.length) options.push(make("option", "", "No camera found"));
      this.camera.replaceChildren(...options);
      if (cameras.some((camera) => camera.deviceId === chosen)) this.camera.value = chosen;
    }

    say(text) {
      setText($("webcam-message"), text);
    }

    // ---- start and stop ------------------------------------------------------------------------

    async start() {
      const name = this.input.value.trim();
      this.say("");
      if (!NAME.test(name)) {
        this.say("A name has letters, digits and _ ~ . - and single slashes between its parts.");
        this.input.focus();
        return;
      }
      if (this.streamOf(name)?.state === "live") {
        this.say(`A stream called “${name}” is live already. Choose another name.`);
        this.input.focus();
        return;
      }
      this.name = name;
      this.pc = new RTCPeerConnection();
      this.drawControls();
      try {
        await this.open();
        await this.publish();
      } catch (error) {
        this.stop();
        this.say(FAILURES[error.name] ?? error.message);
      }
      this.draw();
    }

    async open() {
      const deviceId = this.camera.value ? { deviceId: { exact: this.camera.value } } : {};
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { ...PICTURE, ...deviceId },
      });
      this.media = stream;
      this.preview.srcObject = stream;
      this.preview.hidden = false;
      $("webcam-off").hidden = true;
      stream.getVideoTracks()[0].addEventListener("ended", () => {
        this.stop();
        this.say("The camera was unplugged or taken away.");
      });
      this.list();
    }

    async publish() {
      const { pc } = this;
      const [track] = this.media.getVideoTracks();
      const { sender } = pc.addTransceiver(track, { direction: "sendonly", streams: [this.media] });
      pc.addEventListener("connectionstatechange", () => this.changed(pc));
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      const reply = await fetch(`/whip/${pathOf(this.name)}`, {
        method: "POST", body: pc.localDescription.sdp,
        headers: { "Content-Type": "application/sdp" }, signal: AbortSignal.timeout(30000),
      });
      if (reply.status !== 201) throw new Error(await reason(reply));
      this.place = reply.headers.get("Location");
      if (this.pc !== pc) return this.end();
      await pc.setRemoteDescription({ type: "answer", sdp: await reply.text() });
      await limit(sender);
      this.patience = setTimeout(() => {
        if (this.pc !== pc || pc.connectionState === "connected") return;
        this.stop();
        this.say("The video does not get through to the server: UDP between here and there is blocked.");
      }, CONNECT_MS);
      return undefined;
    }

    changed(pc) {
      if (this.pc !== pc) return;
      if (pc.connectionState !== "connecting") clearTimeout(this.patience);
      if (pc.connectionState === "disconnected") {
        this.patience = setTimeout(() => this.pc === pc && this.lose(), GONE_MS);
      }
      if (["failed", "closed"].includes(pc.connectionState)) {
        this.lose();
      }
      this.draw();
    }

    lose() {
      this.stop();
      this.say("The connection to the server was lost: it ended the stream, or is away.");
    }

    stop() {
      const { pc } = this;
      clearTimeout(this.patience);
      this.pc = null;
      pc?.close();
      this.media?.getTracks().forEach((track) => track.stop());
      this.media = null;
      this.preview.srcObject = null;
      this.preview.hidden = true;
      $("webcam-off").hidden = false;
      this.end();
      this.draw();
    }

    end() {
      if (this.place) fetch(this.place, { method: "DELETE", keepalive: true }).catch(() => {});
      this.place = "";
    }

    // ---- what is recognised --------------------------------------------------------------------

    streamOf(name) {
      return this.page.overview?.streams.find((stream) => stream.name === name);
    }

    drawControls() {
      const running = Boolean(this.pc);
      setText($("webcam-start"), running ? "Stop" : "Start");
      $("webcam-start").classList.toggle("primary", !running);
      this.camera.disabled = running;
      this.input.disabled = running;
    }

    draw() {
      this.drawControls();
      const sending = this.pc?.connectionState === "connected";
      const stream = this.pc ? this.streamOf(this.name) : null;
      const live = sending && stream?.state === "live" && stream.title !== null;
      const state = $("webcam-state");
      state.dataset.state = !this.pc ? "" : sending ? stream?.state ?? "connecting" : "connecting";
      setText(state, !this.pc ? "" : sending && stream ? STATES[stream.state] : "Connecting");
      setText($("webcam-action"), live ? stream.title : sending ? "Waiting for scores" : "");
      setText($("webcam-score"), live ? percent(stream.score) : "");
      const box = $("webcam-now");
      box.classList.toggle("quiet", !live || stream.background);
      const colour = live ? this.page.colour(stream.label, stream.background) : "transparent";
      box.style.setProperty("--label", colour);
      $("webcam-meter").style.transform = `scaleX(${live ? stream.score : 0})`;
      $("webcam-more").hidden = !live;
      $("webcam-link").href = this.page.address(this.name);
      $("webcam-link").dataset.page = "stream";
    }
  }

  function gathered(pc) {
    return new Promise((done) => {
      const check = () => pc.iceGatheringState === "complete" && done();
      pc.addEventListener("icegatheringstatechange", check);
      setTimeout(done, GATHER_MS);
      check();
    });
  }

  /** More would be lost on what the model looks at. */
  async function limit(sender) {
    const parameters = sender.getParameters();
    if (!parameters.encodings?.length) return;
    parameters.encodings[0].maxBitrate = BITS_PER_S;
    parameters.degradationPreference = "maintain-framerate";
    await sender.setParameters(parameters);
  }

  async function reason(reply) {
    try {
      const { detail } = await reply.json();
      return detail || `The server refused (status ${reply.status}).`;
    } catch {
      return `The server refused (status ${reply.status}).`;
    }
  }

  actionstream.ready((page) => {
    if ($("webcam-start")) actionstream.webcam = new Webcam(page);
  });
})(window.actionstream);
