/** The shop's front: renders the product page and passes the rest on to cart. */
import { createServer, IncomingMessage, request, ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import minimist from "minimist";

interface Product {
  sku: string;
  name: string;
  cents: number;
}

const flags = minimist(process.argv.slice(2), {
  default: {
    port: Number(process.env.PORT ?? "8080"),
    cart: process.env.CART_URL ?? "http://localhost:8081",
    assets: process.env.ASSETS ?? join(__dirname, "..", "public"),
  },
});

/** Ask cart and give back its status and text. */
function askCart(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, flags.cart), { method, timeout: 5000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () =>
        resolve({ status: answer.statusCode ?? 502, text: Buffer.concat(parts).toString("utf8") }),
      );
    });
    asked.on("timeout", () => asked.destroy(new Error("cart did not answer in time")));
    asked.on("error", reject);
    asked.end(body);
  });
}

function price(cents: number): string {
  return (cents / 100).toFixed(2);
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** The product page. */
function page(query: string, products: Product[]): string {
  const rows = products.map(
    (product) => `<li data-sku="${escapeText(product.sku)}">${escapeText(product.name)}: ${price(product.cents)}</li>`,
  );
  return `<!doctype html><title>Shop</title><link rel="stylesheet" href="/assets/shop.css">
<h1>Shop</h1><form><input name="q" aria-label="Search"></form>
<p>Results for ${query}</p><ul>${rows.join("")}</ul>`;
}

function send(response: ServerResponse, status: number, type: string, text: string | Buffer): void {
  response.writeHead(status, { "Content-Type": type, "X-Content-Type-Options": "nosniff" });
  response.end(text);
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of incoming) {
    text += part;
    if (text.length > 65536) throw new Error("body too long");
  }
  return text;
}

async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? "/", "http://shop.example");
  if (url.pathname === "/healthz") {
    send(response, 200, "text/plain", "ok\n");
  } else if (url.pathname.startsWith("/assets/")) {
    const name = decodeURIComponent(url.pathname.slice("/assets/".length));
    send(response, 200, "text/css", await readFile(join(flags.assets, name)));
  } else if (url.pathname === "/") {
    const query = url.searchParams.get("q") ?? "";
    const { text } = await askCart("GET", `/products?q=${encodeURIComponent(query)}`);
    send(response, 200, "text/html; charset=utf-8", page(query, JSON.parse(text) as Product[]));
  } else if (url.pathname.startsWith("/carts/")) {
    const body = incoming.method === "POST" ? await readBody(incoming) : undefined;
    const { status, text } = await askCart(incoming.method ?? "GET", url.pathname, body);
    send(response, status, "application/json", text);
  } else {
    send(response, 404, "text/plain", "no such page\n");
  }
}

createServer((incoming, response) => {
  handle(incoming, response).catch((error: Error) => {
    console.error(error.message);
    send(response, 502, "text/plain", "the shop has a hiccup\n");
  });
}).listen(flags.port, () => console.log(`web listens on ${flags.port}`));
