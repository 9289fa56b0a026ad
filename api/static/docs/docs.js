// Swagger UI. Without a validator: it would send the document to somebody else's server.
load(() => {
  const ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    validatorUrl: null,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    requestInterceptor: (request) => {
      // What is tried out carries the key that Swagger UI knows.
      if (request.loadSpec) Object.assign(request.headers, keyHeader());
      return request;
    },
    onComplete: () => key && ui.preauthorizeApiKey("X-Api-Key", key),
  });
});
