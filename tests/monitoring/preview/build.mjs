// SPDX-License-Identifier: Apache-2.0
// Bundles the page into the directory given.
import { createRequire } from 'node:module';
import * as esbuild from 'esbuild';

const require = createRequire(import.meta.url);

// @grafana/ui imports the component as the default of a CommonJS module, where it is not.
const scrollbars = {
  name: 'scrollbars',
  setup(build) {
    build.onResolve({ filter: /^react-custom-scrollbars-2$/ }, ({ namespace }) =>
      namespace === 'scrollbars' ? undefined : { path: 'react-custom-scrollbars-2', namespace: 'scrollbars' });
    build.onLoad({ filter: /.*/, namespace: 'scrollbars' }, () => ({
      contents: `const { Scrollbars } = require(${JSON.stringify(require.resolve('react-custom-scrollbars-2'))});
        module.exports = Scrollbars; module.exports.default = Scrollbars;`,
      resolveDir: import.meta.dirname,
    }));
  },
};

await esbuild.build({
  entryPoints: [`${import.meta.dirname}/app.tsx`], outfile: `${process.argv[2]}/app.js`, bundle: true, minify: true,
  plugins: [scrollbars], format: 'iife', platform: 'browser', target: 'chrome120', jsx: 'automatic', logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' }, mainFields: ['browser', 'module', 'main'],
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
});
