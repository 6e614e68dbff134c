import { defineStep, Failure, http, log } from './sdk/index.ts';

export const step = defineStep({
  name: 'gitlab.note',
  version: '1.0.0',
  summary: 'Writes a comment on a GitLab merge request.',
  config: {
    type: 'object',
    properties: {
      api_url: { type: 'string', description: 'The API: `{{env.CI_API_V4_URL}}` in a job.' },
      token: { type: 'string', writeOnly: true, description: 'An access token with the scope `api`.' },
      project: { type: ['string', 'integer'], description: 'The number or the path of the project.' },
      merge_request: { type: ['string', 'integer'], description: 'The number of the merge request in its project.' },
      body: { type: 'string', minLength: 1, description: 'The comment, in Markdown.' },
    },
    required: ['api_url', 'token', 'project', 'merge_request', 'body'],
    additionalProperties: false,
  },
  output: {
    type: 'object',
    properties: { id: { type: 'integer', description: 'The number of the comment.' } },
    required: ['id'],
  },
  permissions: { network: [{ url: '{config.api_url}' }] },

  run({ api_url, token, project, merge_request, body }) {
    const path = `/projects/${encodeURIComponent(project)}/merge_requests/${encodeURIComponent(merge_request)}/notes`;
    const response = http.post(api_url.replace(/\/+$/, '') + path, {
      headers: { 'private-token': token },
      json: { body },
    });
    if (!response.ok) throw refused(response);
    const { id } = response.json<{ id: number }>();
    log.info(`wrote comment ${id} on !${merge_request}`);
    return { id };
  },
});

function refused(response: http.Response): Failure {
  const { status } = response;
  if (status === 429 || status >= 500) {
    return Failure.transient('unavailable', `GitLab answered ${status}`, { retryAfterMs: response.retryAfterMs() });
  }
  const hints: { [status: number]: string } = {
    401: ': the token is not valid',
    403: ': the token may not write comments; it needs the scope `api`',
    404: ': there is no such merge request, or the token may not see it',
  };
  return Failure.permanent('refused', `GitLab answered ${status}${hints[status] ?? ''}`);
}
