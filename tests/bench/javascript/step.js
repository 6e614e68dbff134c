export const step = {
  describe: () => JSON.stringify({ name: 'echo', version: '1.0.0', summary: 'Returns its config.' }),
  run: (config) => config,
};
