import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

// Nothing is inlined (the server's policy allows no inline script), and the server's address in
// development is that of `haechi up`.
const server = process.env.HAECHI_URL ?? "http://127.0.0.1:8420";
const out = process.env.HAECHI_PAGE_OUT ?? "../src/haechi/server/static";

/** The server gives `<name>.gz` to browsers that take it, so that it need not pack each time. */
function packed(): Plugin {
  const pack = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) pack(path);
      else if (statSync(path).size > 1024) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    }
  };
  return { name: "haechi-packed", apply: "build", closeBundle: () => pack(out) };
}

export default defineConfig({
  plugins: [svelte(), packed()],
  build: {
    outDir: out,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
    sourcemap: false,
  },
  server: { proxy: { "/api": { target: server, changeOrigin: false } } },
});
