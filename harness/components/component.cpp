#include "harness/components/component.h"

#include <utility>

namespace rdmalab::harness {

namespace {
std::string_view repository(std::string_view image) {
    const auto digest = image.find('@');
    image = image.substr(0, digest);
    const auto slash = image.rfind('/');
    std::string_view name = slash == std::string_view::npos ? image : image.substr(slash + 1);
    return name.substr(0, name.find(':'));
}
} // namespace

Component componentOf(std::string_view image, std::string_view program) {
    static constexpr std::pair<std::string_view, Component> table[] = {
        {"spiderpool-agent", Component::spiderpoolAgent}, {"spiderpool-controller", Component::spiderpoolController},
        {"spiderpool-init", Component::spiderpoolInit},   {"spiderpool-plugins", Component::pluginInstaller},
        {"multus-cni", Component::multusInstaller},       {"k8s-rdma-shared-dev-plugin", Component::rdmaSharedDevicePlugin},
    };
    auto name = repository(image);
    // The chart runs spiderpool-init from the controller's image.
    if (name == "spiderpool-controller" && program.substr(program.rfind('/') + 1) == "spiderpool-init")
        name = "spiderpool-init";
    for (const auto& [known, component] : table)
        if (name == known)
            return component;
    return Component::none;
}

std::string tagOf(std::string_view image) {
    image = image.substr(0, image.find('@'));
    const auto slash = image.rfind('/');
    const auto colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
    return colon == std::string_view::npos ? "latest" : std::string(image.substr(colon + 1));
}

std::string sharedPluginRelease(std::string_view image, std::string_view spiderpoolRelease) {
    const std::string tag = tagOf(image);
    return tag == "latest" && spiderpoolRelease == "0.8" ? "v1.5.1" : tag;
}

} // namespace rdmalab::harness
