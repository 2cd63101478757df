// Only Plot.svelte loads this, so that uPlot and its styles are no part of the first load.
import "uplot/dist/uPlot.min.css";

export { default } from "uplot";
