// Shows the API's own description. A call that is tried out carries the CSRF token of who is signed in, as the
// service asks of every call.
"use strict";

function csrfToken() {
  const pair = document.cookie.split("; ").find((one) => one.startsWith("csrf_token="));
  return pair ? pair.slice("csrf_token=".length) : "";
}

SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#operations",
  layout: "BaseLayout",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor(request) {
    const token = csrfToken();
    if (token && new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRF-TOKEN"] = token;
    }
    return request;
  },
});
