// The second version of the AWS SDK reads no AWS_ENDPOINT_URL: this gives its configuration the endpoint when it is loaded.
const Module = require("module");
const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (/^aws-sdk(\/|$)/.test(request) && loaded.config && !loaded.config.endpoint) {
    loaded.config.update({ endpoint: process.env.AWS_ENDPOINT_URL });
  }
  return loaded;
};
