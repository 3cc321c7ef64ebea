"use strict";

// Shows the description with Swagger UI, which its own script has put into `SwaggerUIBundle`.
const docs = document.getElementById("docs");

SwaggerUIBundle({
  url: docs.dataset.description,
  domNode: docs,
  deepLinking: true,
  displayRequestDuration: true,
  // By default it would send the description to a server of its makers to have it checked.
  validatorUrl: null,
});
