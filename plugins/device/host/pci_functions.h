// The PCI functions of a host as ghw sees them, which both device plugins build on (jaypipes/ghw, pkg/pci/pci_linux.go).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::plugin {

class Files;
struct DirectoryEntry;

struct PciFunction {
    std::string address;                     // "0000:af:00.0"
    std::string vendor, deviceId, baseClass; // lower-case hex from modalias: "15b3", "1017", "02"
};

// One entry on the bus with a malformed name or modalias hides every function.
std::vector<PciFunction> pciFunctions(Files& files);

// "/sys/bus/pci/devices/ADDRESS"
std::string pciFunctionPath(const std::string& address);

// The names in a directory; an absent or unreadable one has none.
std::vector<DirectoryEntry> entriesOf(Files& files, const std::string& directory);
// Nothing when it cannot be read. Without the final newlines.
std::optional<std::string> attributeOf(Files& files, const std::string& path);
std::string baseName(std::string_view path);

} // namespace rdmalab::plugin
