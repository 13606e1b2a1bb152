/**
 * A stand-in for the server, to work on the pages without a model: `npm run mock`, then
 * `LUOXIA=http://127.0.0.1:7861 npm run dev`. It also serves the built pages, under the server's content policy.
 *
 * `--fresh` has no model on the machine yet, `--slow` waits before it answers. A prompt that contains "fail" is
 * refused, "break" loses the connection in the middle, "markdown" shows every element.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = Number(process.env.PORT ?? 7861);
const FRESH = process.argv.includes('--fresh');
const SLOW = process.argv.includes('--slow');
const STATIC = new URL('../luoxia/server/static/', import.meta.url);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const MODELS = [
  {
    id: 'smollm2-135m-instruct',
    kind: 'text',
    title: 'SmolLM2 135M Instruct',
    summary: {
      en: 'A small English model that answers at once on any laptop; its knowledge is small too.',
      zh: '小型英文模型，任何笔记本电脑都能即时作答；知识也相应有限。',
    },
    publisher: 'Hugging Face TB',
    licence: 'Apache-2.0',
    languages: ['en'],
    size: 98_362_432,
    here: !FRESH,
    default: true,
    opt_in: false,
    note: null,
    context: 8192,
  },
  {
    id: 'qwen2.5-coder-1.5b-instruct',
    kind: 'text',
    title: 'Qwen2.5 Coder 1.5B Instruct',
    summary: {
      en: 'Writes Chinese and English, and code; ten times the size of the default model, and slower.',
      zh: '能写中文、英文和代码；体积约为默认模型的十倍，速度也更慢。',
    },
    publisher: 'Qwen (Alibaba Cloud)',
    licence: 'Apache-2.0',
    languages: ['en', 'zh'],
    size: 1_117_320_768,
    here: false,
    default: false,
    opt_in: true,
    note: {
      en: '1.12 GB in 22 packages whose publisher we do not know; the joined file is accepted only when it has the SHA-256 of the file that Qwen publishes under Apache-2.0.',
      zh: '共 1.12 GB，分为 22 个软件包，其发布者身份不明；合并后的文件只有在 SHA-256 与 Qwen 以 Apache-2.0 许可发布的文件一致时才会被采用。',
    },
    context: 32_768,
  },
];

const CARD = `# A card\n\n**What it is.** A model of the mock, which writes\nthe same every time.\n\n| | |\n| --- | --- |\n| Licence | Apache-2.0 |\n| Context | 8,192 tokens |\n`;

const ANSWERS = {
  en: `Plants make their own food, and they do it with sunlight. Here is how it works:\n\n1. **Roots** drink water from the soil.\n2. **Leaves** breathe in *carbon dioxide* through tiny holes.\n3. A green stuff called chlorophyll catches the sunlight.\n\nWith that light, the leaf turns water and air into sugar, which feeds the whole plant. What is left over is oxygen, and that is what we breathe. So the next time you take a deep breath, you may thank a tree.`,
  zh: `植物会自己做饭，而且用的是阳光。\n\n1. **根**从土里喝水。\n2. **叶子**从空气里吸进*二氧化碳*。\n3. 叶绿素像小小的太阳能板，接住阳光。\n\n有了光，叶子就把水和空气变成糖，养活整棵植物；剩下的氧气，正好给我们呼吸。`,
  markdown: `# Heading\n\nA paragraph with **bold**, *italics*, \`code\` and <b>no HTML</b>.\n\n- one\n- two\n  - nested\n\n\`\`\`python\ndef duck():\n    return "🦆"\n\`\`\`\n\n> A quotation.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n---\n\nThe end.`,
};

let loaded = null;

const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://mock').pathname;
  const chinese = /^zh/.test(request.headers['accept-language'] ?? '');
  const json = (value, status = 200) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const refuse = (status, code, en, zh) =>
    json({ error: { message: chinese ? zh : en, type: 'invalid_request_error', param: null, code } }, status);
  const stream = () =>
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  const send = (value) =>
    response.write(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`);
  const [, id, what] = /^\/api\/models\/([^/]+)\/(card|get)$/.exec(path) ?? [];
  const model = MODELS.find((entry) => entry.id === id);

  if (path === '/api/models') return json(MODELS);
  if (path === '/api/status') {
    return json({
      version: '0',
      default_model: MODELS[0].id,
      loaded,
      device: loaded && 'cpu',
      threads: loaded && 2,
      reason: null,
      busy: false,
      queued: 0,
      temperature: 0.65,
      shaped_temperature: 0.3,
    });
  }
  if (model && what === 'card') {
    response.writeHead(200, { 'Content-Type': 'text/markdown; charset=utf-8' });
    return response.end(CARD);
  }
  if (model && what === 'get') {
    stream();
    const total = model.size;
    for (let step = 0; step < 60; step++) {
      send({ state: 'fetching', done: Math.round((total * step) / 60), total, message: '' });
      await sleep(100);
    }
    send({ state: 'checking', done: total, total, message: '' });
    await sleep(600);
    model.here = true;
    send({ state: 'done', done: total, total, message: '' });
    return response.end();
  }
  if (path === '/v1/chat/completions') {
    let body = '';
    for await (const part of request) body += part;
    return answer(JSON.parse(body), { request, response, stream, send, refuse });
  }
  return serveFile(path === '/' ? '/index.html' : path, response);
});

async function answer(order, { response, stream, send, refuse }) {
  const model = MODELS.find((entry) => entry.id === order.model) ?? MODELS[0];
  const prompt = order.messages.at(-1).content;
  if (!model.here)
    return refuse(409, 'model_not_here', `${model.title} is not on this machine`, `本机尚无 ${model.title}`);
  if (/fail/.test(prompt)) {
    return refuse(
      400,
      null,
      'The prompt has 9,000 tokens, the model reads 8,192: shorten it.',
      '提示有 9,000 词元，模型只能读 8,192：请缩短。',
    );
  }
  if (SLOW) await sleep(2500);
  const started = performance.now();
  const text = /markdown/.test(prompt)
    ? ANSWERS.markdown
    : /\p{Script=Han}/u.test(prompt)
      ? ANSWERS.zh
      : ANSWERS.en;
  const chunk = (delta, finish_reason = null, more = {}) =>
    send({
      id: 'mock',
      object: 'chat.completion.chunk',
      created: 0,
      model: model.id,
      choices: [{ index: 0, delta, finish_reason, logprobs: null }],
      ...more,
    });
  let open = true;
  response.on('close', () => (open = false));
  stream();
  chunk({ role: 'assistant', content: '' }, null, { luoxia: { seed: order.seed } });
  await sleep(150);
  loaded = model.id;
  const pieces = (order.guided_choice?.[0] ?? text).match(/\s*\S{1,4}/g);
  const shown = pieces.slice(0, order.max_tokens);
  for (const [index, piece] of shown.entries()) {
    if (!open) return;
    if (/break/.test(prompt) && index === 12) return response.destroy();
    chunk({ content: piece });
    await sleep(12);
  }
  const seconds = (performance.now() - started) / 1000;
  const usage = { prompt_tokens: 9, completion_tokens: shown.length, total_tokens: shown.length + 9 };
  chunk({}, shown.length < pieces.length ? 'length' : 'stop');
  send({
    id: 'mock',
    object: 'chat.completion.chunk',
    created: 0,
    model: model.id,
    choices: [],
    usage,
    luoxia: {
      seed: order.seed,
      seconds,
      first_token_seconds: 0.15,
      tokens_per_second: shown.length / seconds,
    },
  });
  send('[DONE]');
  response.end();
}

async function serveFile(path, response) {
  try {
    const file = new URL(`.${path}`, STATIC);
    if (!file.href.startsWith(STATIC.href)) throw new Error('outside');
    const content = await readFile(file);
    response.writeHead(200, {
      'Content-Type': `${TYPES[extname(path)] ?? 'application/octet-stream'}; charset=utf-8`,
      'Content-Security-Policy': POLICY,
    });
    response.end(content);
  } catch {
    response.writeHead(404);
    response.end();
  }
}

server.listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}`));
