// Colours and fonts for the charts, read from style.css so that they are defined once.

export const darkScheme = matchMedia("(prefers-color-scheme: dark)");

export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    line: colour("line"),
    card: colour("card"),
    arousal: colour("arousal"),
    valence: colour("valence"),
    point: colour("point"),
    unsure: colour("unsure"),
    stale: colour("stale"),
    font: getComputedStyle(document.body).fontFamily,
  };
}

/** What both charts share. */
export function baseLayout(theme) {
  return {
    paper_bgcolor: theme.card,
    plot_bgcolor: theme.card,
    font: { family: theme.font, size: 13, color: theme.text },
    showlegend: false,
    dragmode: false, // a finger on the chart scrolls the page
    autosize: true,
  };
}

/** What both charts' axes share. */
export function baseAxis(theme) {
  return {
    fixedrange: true,
    zeroline: false,
    gridcolor: theme.line,
    linecolor: theme.line,
    tickfont: { color: theme.muted, size: 12 },
  };
}
