#include "plugins/cni/protocol/plugin_process.h"
#include "plugins/kube/kube_client.h"
#include "plugins/kube/kubeconfig_client.h"

int main() {
    return rdmalab::plugin::runAsProcess(rdmalab::plugin::multusMain, {{}, rdmalab::plugin::kubeClientFromKubeconfig});
}
