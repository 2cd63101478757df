import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// Nothing is inlined (the server's policy allows no data: URLs and no inline script), and the
// server's address in development is that of `haechi up`.
const server = process.env.HAECHI_URL ?? "http://127.0.0.1:8420";

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env.HAECHI_PAGE_OUT ?? "../src/haechi/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
    sourcemap: false,
  },
  server: { proxy: { "/api": { target: server, changeOrigin: false } } },
});
