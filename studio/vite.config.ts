import { svelte } from '@sveltejs/vite-plugin-svelte';
import { type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// Where `npm run dev` finds the API: a real server, or the mock's port for work on the pages alone.
const api = process.env['LUOXIA'] ?? 'http://127.0.0.1:7860';

// The chosen theme is applied by the script; waiting for it keeps the page from flashing in the other one.
const renderAfterScript: Plugin = {
  name: 'render-after-script',
  transformIndexHtml: {
    order: 'post',
    handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

export default defineConfig({
  plugins: [svelte(), renderAfterScript],
  build: {
    outDir: '../luoxia/server/static',
    emptyOutDir: true,
    assetsInlineLimit: 0, // a data: address would not pass the server's content policy
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/v1'].map((path) => [
        path,
        // The server refuses foreign origins, and the dev server's port is one.
        { target: api, changeOrigin: true, ws: true, headers: { origin: api } },
      ]),
    ),
  },
  test: { include: ['src/**/*.test.ts'] },
});
