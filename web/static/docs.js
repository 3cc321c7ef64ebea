"use strict";

// Shows the OpenAPI description with Swagger UI, whose script defines `SwaggerUIBundle`.
const docs = document.getElementById("docs");

SwaggerUIBundle({
  url: docs.dataset.description,
  domNode: docs,
  deepLinking: true,
  displayRequestDuration: true,
  // By default Swagger UI sends the description to an external validator.
  validatorUrl: null,
});
