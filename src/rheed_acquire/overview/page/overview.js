// Renews what is streamed now; the rest of the page is as it was asked for.
"use strict";

(() => {
  const EVERY_MS = 5000;
  const open = document.getElementById("open");
  const stale = document.getElementById("stale");
  let renewed = new Date();

  const renew = async () => {
    try {
      const answer = await fetch("/overview/open");
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      renewed = new Date();
      stale.textContent = "";
      open.replaceChildren(...parsed.body.childNodes);
    } catch {
      stale.textContent = `The server does not answer: as of ${renewed.toLocaleTimeString()}`;
    }
    setTimeout(renew, EVERY_MS);
  };
  setTimeout(renew, EVERY_MS);
})();
