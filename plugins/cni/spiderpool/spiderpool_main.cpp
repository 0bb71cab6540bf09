#include "plugins/cni/protocol/plugin_process.h"
#include "plugins/http/unix_http_client.h"

int main() {
    return rdmalab::plugin::runAsProcess(rdmalab::plugin::spiderpoolMain, {rdmalab::plugin::unixHttpRequest, {}});
}
