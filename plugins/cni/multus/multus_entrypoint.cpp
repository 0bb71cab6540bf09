#include "plugins/cni/multus/multus_entrypoint.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/network_config.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

void installExecutables(Files& files, const std::string& from, const std::string& to) {
    files.makeDirectories(to, 0755);
    for (const auto& entry : files.list(from)) {
        const auto source = from + "/" + entry.name;
        if (files.status(source).kind != FileKind::regular)
            continue;
        // Written aside and renamed: a plugin that runs right now keeps its old file.
        files.write(to + "/" + entry.name, files.read(source), 0755);
    }
}

std::string kubeconfig(Files& files, const MultusEntrypointOptions& options) {
    std::string token;
    if (!options.serviceAccountToken.empty())
        token = files.readIfExists(options.serviceAccountToken).value_or("");
    while (token.ends_with('\n'))
        token.pop_back();
    const auto user = token.empty() ? std::string("  user: {}\n") : fmt::format("  user:\n    token: \"{}\"\n", token);
    return fmt::format("# Kubeconfig file for Multus CNI plugin.\n"
                       "apiVersion: v1\n"
                       "kind: Config\n"
                       "clusters:\n"
                       "- name: local\n"
                       "  cluster:\n"
                       "    server: {}\n"
                       "users:\n"
                       "- name: multus\n"
                       "{}"
                       "contexts:\n"
                       "- name: multus-context\n"
                       "  context:\n"
                       "    cluster: local\n"
                       "    user: multus\n"
                       "current-context: multus-context\n",
                       options.kubeApiServer, user);
}

// The network that the node had before multus becomes the cluster's network.
std::string generatedConfig(Files& files, const MultusEntrypointOptions& options) {
    for (const auto& path : configFiles(files, options.cniConfDir, {".conf", ".conflist", ".json"})) {
        if (path.find("multus") != std::string::npos)
            continue;
        nlohmann::ordered_json config{{"cniVersion", options.cniVersion},
                                      {"name", "multus-cni-network"},
                                      {"type", "multus"},
                                      {"confDir", "/etc/cni/net.d"},
                                      {"clusterNetwork", loadConfigListFile(files, path).name},
                                      {"multusNamespace", options.multusNamespace},
                                      {"kubeconfig", options.kubeconfigHostPath}};
        return goJson(config, 2) + "\n";
    }
    throw std::runtime_error("No default cni file found in " + options.cniConfDir);
}

} // namespace

void multusEntrypoint(Files& files, const MultusEntrypointOptions& options) {
    if (!options.cniBinSource.empty())
        installExecutables(files, options.cniBinSource, options.cniBinDir);
    if (files.status(options.cniConfDir).kind != FileKind::directory)
        throw std::runtime_error(fmt::format("cni-conf-dir {} does not exist", options.cniConfDir));
    const bool generated = options.multusConfFile == "auto";
    if (!generated && files.status(options.multusConfFile).kind != FileKind::regular)
        throw std::runtime_error(fmt::format("multus-conf-file {} does not exist", options.multusConfFile));

    const auto directory = options.cniConfDir + "/multus.d";
    files.makeDirectories(directory, 0755);
    files.write(directory + "/multus.kubeconfig", kubeconfig(files, options), 0600);
    // Last: from now on the runtime calls multus, which needs all of the above.
    const auto config = generated ? generatedConfig(files, options) : files.read(options.multusConfFile);
    files.write(options.cniConfDir + "/00-multus.conf", config, 0600);
}

} // namespace rdmalab::plugin
