// The window's title follows the page; a banner says when the server has stopped answering.
(function () {
  "use strict";
  var lastText = "";
  var lastChange = Date.now();

  function look() {
    var heading = document.querySelector("main h1");
    var title = heading ? heading.textContent + " · tickvol" : "tickvol";
    if (document.title !== title) {
      document.title = title;
    }
    var readAt = document.getElementById("read-at");
    var banner = document.getElementById("contact");
    if (!readAt || !banner) {
      return;
    }
    if (readAt.textContent !== lastText) {
      lastText = readAt.textContent;
      lastChange = Date.now();
    }
    var limitMs = 3000 * Number(readAt.dataset.refreshS);
    var isSilent = Date.now() - lastChange > limitMs;
    if (banner.hidden === isSilent) {
      banner.hidden = !isSilent;
      banner.textContent = isSilent ? "No answer from the dashboard: these figures are no longer refreshed." : "";
    }
  }

  window.setInterval(look, 500);
})();
