import { mount } from "svelte";

import App from "./App.svelte";
import { start } from "./lib/i18n.svelte";
import "./styles/tokens.css";
import "./styles/page.css";

const target = document.getElementById("app");
if (target) start().then(() => mount(App, { target }));
