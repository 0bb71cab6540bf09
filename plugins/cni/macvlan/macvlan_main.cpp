#include "plugins/cni/protocol/plugin_process.h"

int main() {
    return rdmalab::plugin::runAsProcess(rdmalab::plugin::macvlanMain);
}
