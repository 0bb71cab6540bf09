#include "plugins/device/host/pci_functions.h"

#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <algorithm>
#include <cctype>

namespace rdmalab::plugin {

namespace {

const std::string busDevices = "/sys/bus/pci/devices";

bool pciAddress(std::string_view name) {
    constexpr std::string_view shape = "xxxx:xx:xx.x";
    return name.size() == shape.size() && std::equal(shape.begin(), shape.end(), name.begin(), [](char want, unsigned char got) {
               return want == 'x' ? std::isdigit(got) || (got >= 'a' && got <= 'f') : want == static_cast<char>(got);
           });
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// "pci:v000015B3d00001017sv000015B3sd00000007bc02sc00i00" has its fields at fixed places; ghw wants 54 bytes with the newline.
std::optional<PciFunction> parseModalias(const std::string& address, const std::string& modalias) {
    if (modalias.size() < 54 || !modalias.starts_with("pci:v"))
        return std::nullopt;
    return PciFunction{address, lower(modalias.substr(9, 4)), lower(modalias.substr(18, 4)), lower(modalias.substr(44, 2))};
}

std::optional<std::string> content(Files& files, const std::string& path) {
    try {
        return files.read(path);
    } catch (const SystemError&) {
        return std::nullopt;
    }
}

} // namespace

std::vector<DirectoryEntry> entriesOf(Files& files, const std::string& directory) {
    try {
        return files.list(directory);
    } catch (const SystemError&) {
        return {};
    }
}

std::optional<std::string> attributeOf(Files& files, const std::string& path) {
    auto text = content(files, path);
    while (text && text->ends_with('\n'))
        text->pop_back();
    return text;
}

std::string baseName(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
}

std::string pciFunctionPath(const std::string& address) {
    return busDevices + "/" + address;
}

std::vector<PciFunction> pciFunctions(Files& files) {
    std::vector<PciFunction> functions;
    for (const DirectoryEntry& entry : entriesOf(files, busDevices)) {
        const auto modalias = pciAddress(entry.name) ? content(files, pciFunctionPath(entry.name) + "/modalias") : std::nullopt;
        auto function = modalias ? parseModalias(entry.name, *modalias) : std::nullopt;
        if (!function)
            return {};
        functions.push_back(std::move(*function));
    }
    return functions;
}

} // namespace rdmalab::plugin
