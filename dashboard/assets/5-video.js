/* Live video of one stream in a box: by WebRTC where that works, else by pictures; chosen by
 * itself, and tried again. A page that nobody sees fetches nothing.
 *
 *   video = new actionstream.Video(box)
 *   video.show(stream)   video.stop()
 *   video.mode           "webrtc" | "pictures" | "none"
 *   video.words          what is shown and why, for people
 *   video.shownAt()      UTC seconds at which the picture on the screen was captured, or null
 *   video.onChange       called when mode or words change
 */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, pathOf } = actionstream;
  const PICTURE_MS = 200;
  const NO_PICTURE_MS = 1500;
  // So many looks without a new picture, and there will be none. Looks and not seconds: while the
  // browser is busy with other things it is not the video that is late.
  const CHECK_MS = 500;
  const PATIENCE = 8;
  const GATHER_MS = 500;
  const CLOCK_MS = 10000;
  const RETRY_MS = [1000, 2000, 5000, 15000, 30000];
  // What the server says of the video itself changes only when somebody publishes it anew.
  const LASTING = new Set(["b_frames", "codec_not_playable", "no_video", "no_webrtc"]);
  const LASTING_MS = 20000;
  const RTP_HZ = 90000;
  const MISSING = {
    "no-picture": "No picture yet",
    "worker-away": "No picture: the worker does not answer",
    refused: "No picture: the worker wants another token (dashboard.worker_token)",
  };

  /** Signed distance of two RTP times, which count up to 32 bits and begin again. */
  const ticks = (to, from) => (to - from) | 0;

  class Refused extends Error {
    constructor(message, code = "") {
      super(message);
      this.code = code;
    }
  }

  /** One WHEP session (draft-ietf-wish-whep): from the offer until it is closed. */
  class Session {
    constructor(stream, element, handlers) {
      this.stream = stream;
      this.element = element;
      this.handlers = handlers;
      this.place = "";
      this.times = null;
      this.frame = null;
      this.waited = 0;
      this.closed = false;
    }

    async open() {
      const pc = new RTCPeerConnection();
      this.pc = pc;
      const { receiver } = pc.addTransceiver("video", { direction: "recvonly" });
      // What comes is shown at once: a smooth picture that is late would not fit the graph.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
      pc.ontrack = ({ track, streams }) => {
        this.element.srcObject = streams[0] ?? new MediaStream([track]);
        this.element.play().catch(() => {});
      };
      pc.onconnectionstatechange = () => {
        if (pc.connectionState === "connected") this.askTimes();
        if (["failed", "closed"].includes(pc.connectionState)) this.lost();
      };
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      const answer = await this.offer(pc.localDescription.sdp);
      if (this.closed) return;
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      this.follow();
    }

    async offer(sdp) {
      const reply = await fetch(`/whep/${pathOf(this.stream)}`, {
        method: "POST", body: sdp, headers: { "Content-Type": "application/sdp" },
        signal: AbortSignal.timeout(8000),
      });
      if (reply.status === 201) {
        this.place = reply.headers.get("Location");
        if (this.closed) this.end();
        return reply.text();
      }
      const { detail, code } = await reply.json();
      throw new Refused(detail, code);
    }

    /** Ask when the pictures were captured; not every server of WHEP knows. */
    async askTimes() {
      try {
        const reply = await fetch(this.place, { signal: AbortSignal.timeout(8000) });
        const times = reply.status === 200 ? await reply.json() : null;
        this.times = times && "rtp_time" in times ? times : this.times ?? {};
      } catch {
        this.times ??= {};
      }
      if (!this.closed) this.timer = setTimeout(() => this.askTimes(), CLOCK_MS);
    }

    /** Hear of every picture that comes on the screen. */
    follow() {
      const { element } = this;
      if (!element.requestVideoFrameCallback) {
        element.ontimeupdate = () => this.shown(null);
        return;
      }
      const next = (_, frame) => {
        if (this.closed) return;
        this.shown(frame);
        element.requestVideoFrameCallback(next);
      };
      element.requestVideoFrameCallback(next);
    }

    shown(frame) {
      this.frame = frame;
      this.waited = 0;
      if (this.times && !this.replayed(frame)) this.handlers.onFrame();
    }

    /** Whether a picture only serves the decoder: it came from before we did. */
    replayed(frame) {
      const { live_from: from } = this.times;
      if (from === undefined || frame?.rtpTimestamp === undefined) return false;
      return ticks(frame.rtpTimestamp, from) < 0;
    }

    /** UTC seconds at which the picture on the screen was captured. */
    shownAt() {
      const { frame, times } = this;
      if (!frame) return null;
      if (times?.rtp_time !== undefined && frame.rtpTimestamp !== undefined) {
        return times.captured_at + ticks(frame.rtpTimestamp, times.rtp_time) / RTP_HZ;
      }
      const local = frame.captureTime ?? frame.receiveTime;
      return local === undefined ? null : (performance.timeOrigin + local) / 1000;
    }

    lost() {
      if (!this.closed) this.handlers.onLost("the connection was lost");
    }

    close() {
      if (this.closed) return;
      this.closed = true;
      clearTimeout(this.timer);
      this.pc?.close();
      this.element.srcObject = null;
      this.element.ontimeupdate = null;
      if (this.place) this.end();
    }

    end() {
      fetch(this.place, { method: "DELETE", keepalive: true }).catch(() => {});
    }
  }

  /** Wait for the addresses of this browser, but not for what takes long to find. */
  function gathered(pc) {
    return new Promise((done) => {
      const check = () => pc.iceGatheringState === "complete" && done();
      pc.addEventListener("icegatheringstatechange", check);
      setTimeout(done, GATHER_MS);
      check();
    });
  }

  class Video {
    constructor(box) {
      this.stream = "";
      this.mode = "none";
      this.words = "";
      this.onChange = null;
      this.why = "";
      this.failures = 0;
      this.session = null;
      this.pictureAt = null;
      this.round = 0;
      this.build(box);
      document.addEventListener("visibilitychange", () => this.look());
      // A page that is left tells the server; one that comes back from the browser's cache begins anew.
      window.addEventListener("pagehide", () => this.end());
      window.addEventListener("pageshow", (event) => event.persisted && this.look());
      new ResizeObserver(() => this.look()).observe(box);
      setInterval(() => this.check(), CHECK_MS);
    }

    build(box) {
      this.box = box;
      box.classList.add("video");
      this.element = make("video");
      Object.assign(this.element, { muted: true, autoplay: true, playsInline: true });
      this.element.classList.add("waiting");
      this.image = make("img");
      Object.assign(this.image, { alt: "", hidden: true });
      this.empty = make("p", "no-picture");
      this.line = make("p", "video-words");
      this.line.setAttribute("role", "status");
      box.append(this.element, this.image, this.empty, this.line);
    }

    /** Show a stream. */
    show(stream) {
      if (stream === this.stream) return;
      this.end();
      this.stream = stream;
      this.failures = 0;
      this.why = "";
      this.showPicture(null, "");
      this.set("none", "");
      this.look();
    }

    /** Show nothing. */
    stop() {
      this.show("");
    }

    /** UTC seconds at which the picture on the screen was captured; null if nobody knows. */
    shownAt() {
      if (this.mode === "webrtc") return this.session.shownAt();
      return this.mode === "pictures" ? this.pictureAt : null;
    }

    /** Begin when the box is seen, end when it is not. */
    look() {
      const seen = Boolean(this.stream) && !document.hidden && this.box.clientWidth > 0;
      if (seen === this.running) return;
      this.end();
      this.running = seen;
      if (!seen) return;
      this.pictures(++this.round);
      this.connect();
    }

    end() {
      this.running = false;
      this.round += 1;
      clearTimeout(this.again);
      this.session?.close();
      this.session = null;
      this.element.classList.add("waiting");
      if (this.mode !== "none") this.set("none", this.words);
    }

    set(mode, words) {
      if (mode === this.mode && words === this.words) return;
      Object.assign(this, { mode, words });
      this.box.dataset.mode = mode;
      setText(this.line, words);
      this.onChange?.();
    }

    // ---- WebRTC --------------------------------------------------------------------------------

    async connect() {
      const session = new Session(this.stream, this.element, {
        onFrame: () => this.session === session && this.live(),
        onLost: (why) => this.session === session && this.lost(why),
      });
      this.session = session;
      try {
        if (!window.RTCPeerConnection) throw new Refused("this browser has no WebRTC", "no_webrtc");
        await session.open();
      } catch (error) {
        if (this.session !== session) return;
        const known = error instanceof Refused;
        this.lost(known ? error.message : "the server of WebRTC does not answer", error.code);
      }
    }

    /** A live picture is on the screen. */
    live() {
      this.failures = 0;
      if (this.mode === "webrtc") return;
      this.element.classList.remove("waiting");
      this.element.setAttribute("aria-label", `Live video of ${this.stream}`);
      this.showPicture(null, "");
      this.set("webrtc", "Live video");
    }

    /** Fall back to pictures and try again later. */
    lost(why, code = "") {
      const wasLive = this.mode === "webrtc";
      this.session?.close();
      this.session = null;
      this.element.classList.add("waiting");
      this.why = why;
      if (wasLive) this.set("pictures", this.explain());
      const pause = LASTING.has(code) ? LASTING_MS : RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      this.failures += 1;
      this.again = setTimeout(() => this.running && this.connect(), pause);
    }

    explain() {
      return this.why ? `Pictures: ${this.why[0].toLowerCase()}${this.why.slice(1)}` : "Pictures";
    }

    /** No picture for long: blocked on the way, or gone without a word. */
    check() {
      const { session } = this;
      if (!session || document.hidden) return;
      session.waited += 1;
      if (session.waited <= PATIENCE) return;
      if (this.mode === "webrtc") this.lost("the live video stopped");
      else if (session.pc?.connectionState === "connected") this.lost("no live video came");
      else this.lost("no live video comes through (is UDP blocked?)");
    }

    // ---- pictures ------------------------------------------------------------------------------

    async pictures(round) {
      if (round !== this.round) return;
      const begun = performance.now();
      const pause = this.mode === "webrtc" ? PICTURE_MS : await this.fetchPicture(round);
      setTimeout(() => this.pictures(round), Math.max(20, pause - (performance.now() - begun)));
    }

    /** Fetch one; answers how long to wait before the next. */
    async fetchPicture(round) {
      try {
        const reply = await fetch(`/preview/${encodeURIComponent(this.stream)}.jpg`, {
          signal: AbortSignal.timeout(3000),
        });
        const jpeg = reply.status === 200 ? await reply.blob() : null;
        if (round !== this.round || this.mode === "webrtc") return PICTURE_MS;
        this.pictureAt = Number(reply.headers.get("Picture-At")) || null;
        this.showPicture(jpeg, MISSING[reply.headers.get("X-Missing")] ?? MISSING["no-picture"]);
        if (jpeg) this.set("pictures", this.explain());
        else this.set("none", "");
        return jpeg ? PICTURE_MS : NO_PICTURE_MS;
      } catch {
        if (round !== this.round || this.mode === "webrtc") return PICTURE_MS;
        this.showPicture(null, "No picture: the dashboard does not answer");
        this.set("none", "");
        return NO_PICTURE_MS;
      }
    }

    showPicture(jpeg, reason) {
      const { image } = this;
      const old = image.src;
      image.hidden = !jpeg;
      this.empty.hidden = Boolean(jpeg) || !reason;
      setText(this.empty, jpeg ? "" : reason);
      if (jpeg) {
        image.src = URL.createObjectURL(jpeg);
        image.alt = `Picture of ${this.stream}`;
      } else {
        image.removeAttribute("src");
      }
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    }
  }

  actionstream.Video = Video;
})(window.actionstream);
