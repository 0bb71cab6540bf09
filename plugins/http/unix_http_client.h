// HTTP/1.1 over a unix stream socket, one request per connection.
#pragma once

#include "plugins/http/http.h"

namespace rdmalab::plugin {

// Throws std::runtime_error: `dial unix P: connect: no such file or directory` (Go's words), `EOF` when the server closes without
// an answer. Waits up to 100 s for the answer, the limit of Spiderpool's own client.
HttpResponse unixHttpRequest(const std::string& socketPath, const HttpRequest& request);

} // namespace rdmalab::plugin
