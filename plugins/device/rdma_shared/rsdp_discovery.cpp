#include "plugins/device/rdma_shared/rsdp_discovery.h"

#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>

namespace rdmalab::plugin {

namespace {

const std::string busDevices = "/sys/bus/pci/devices";
const std::string deviceNodes = "/dev/infiniband";

std::string baseName(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// The names in a directory; an absent or unreadable one has none.
std::vector<DirectoryEntry> entries(Files& files, const std::string& path) {
    try {
        return files.list(path);
    } catch (const SystemError&) {
        return {};
    }
}

std::optional<std::string> content(Files& files, const std::string& path) {
    try {
        return files.read(path);
    } catch (const SystemError&) {
        return std::nullopt;
    }
}

bool pciAddress(std::string_view name) {
    constexpr std::string_view shape = "xxxx:xx:xx.x";
    return name.size() == shape.size() && std::equal(shape.begin(), shape.end(), name.begin(), [](char want, unsigned char got) {
               return want == 'x' ? std::isdigit(got) || (got >= 'a' && got <= 'f') : want == static_cast<char>(got);
           });
}

struct PciFunction {
    std::string address, vendor, deviceId, baseClass;
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// "pci:v000015B3d00001017sv000015B3sd00000007bc02sc00i00\n" has its fields at fixed places; ghw wants 54 bytes.
std::optional<PciFunction> parseModalias(const std::string& address, const std::string& modalias) {
    if (modalias.size() < 54 || !modalias.starts_with("pci:v"))
        return std::nullopt;
    return PciFunction{address, lower(modalias.substr(9, 4)), lower(modalias.substr(18, 4)), lower(modalias.substr(44, 2))};
}

// Which character devices belong to an RDMA device: each class is read once, however many NICs the host has.
class CharacterDevices {
public:
    CharacterDevices(Files& files, RsdpRelease release) : files_(files), firstOnly_(release == RsdpRelease::untilV1_5_1) {}

    std::vector<std::string> of(const std::string& rdmaName) {
        if (!read_)
            readClasses();
        std::vector<std::string> nodes;
        for (const auto& kind : kinds_) {
            const auto found = kind.find(rdmaName);
            if (found == kind.end())
                continue;
            for (const std::string& entry : found->second) {
                nodes.push_back(deviceNodes + "/" + entry);
                if (firstOnly_)
                    break;
            }
        }
        if (connectionManager_)
            nodes.push_back(deviceNodes + "/rdma_cm");
        return nodes;
    }

private:
    void readClasses() {
        read_ = true;
        // rdmamap's order of kinds; the nodes themselves are not checked to exist.
        const std::pair<std::string_view, std::vector<std::pair<std::string_view, std::size_t>>> classes[] = {
            {"infiniband_cm", {{"ucm", 0}}},
            {"infiniband_mad", {{"issm", 1}, {"umad", 2}}},
            {"infiniband_verbs", {{"uverbs", 3}}}};
        for (const auto& [className, prefixes] : classes) {
            const std::string directory = fmt::format("/sys/class/{}", className);
            for (const DirectoryEntry& entry : entries(files_, directory)) {
                const auto prefix = std::find_if(prefixes.begin(), prefixes.end(),
                                                 [&](const auto& candidate) { return entry.name.starts_with(candidate.first); });
                if (prefix == prefixes.end())
                    continue;
                auto owner = content(files_, directory + "/" + entry.name + "/ibdev");
                if (!owner)
                    continue;
                while (owner->ends_with('\n'))
                    owner->pop_back();
                kinds_[prefix->second][*owner].push_back(entry.name);
            }
        }
        connectionManager_ = files_.exists(deviceNodes + "/rdma_cm");
    }

    Files& files_;
    bool firstOnly_, read_ = false, connectionManager_ = false;
    std::array<std::map<std::string, std::vector<std::string>>, 4> kinds_;
};

// Throws std::runtime_error with the reason why the function is no candidate.
RdmaNic inspect(const PciFunction& function, Files& files, Kernel& kernel, CharacterDevices& characterDevices,
                RsdpRelease release, const PluginLog& log) {
    const std::string path = busDevices + "/" + function.address;
    RdmaNic nic{function.address, function.vendor, function.deviceId, {}, {}, {}, {}};

    const auto netdevs = entries(files, path + "/net");
    if (!netdevs.empty())
        nic.ifName = netdevs.front().name;
    if (netdevs.size() > 1) {
        std::vector<std::string> names;
        for (const DirectoryEntry& entry : netdevs)
            names.push_back(entry.name);
        log(fmt::format("Warning: found several names for device {} [{}], using first name {}", function.address,
                        fmt::join(names, " "), nic.ifName));
    }

    try {
        nic.driver = baseName(files.readLink(path + "/driver"));
    } catch (const SystemError& e) {
        throw std::runtime_error(fmt::format("error getting driver info for device {} readlink {}/driver: {}", function.address,
                                             path, goErrnoText(e.code())));
    }

    if (!nic.ifName.empty()) {
        const auto link = kernel.linkByName(nic.ifName);
        if (!link)
            throw std::runtime_error("Link not found");
        nic.linkType = link->encap;
    }

    for (const DirectoryEntry& entry : entries(files, path + "/infiniband")) {
        if (entry.kind != FileKind::directory)
            continue; // rdmamap skips links here
        for (std::string& node : characterDevices.of(entry.name))
            nic.nodes.push_back(std::move(node));
    }
    std::vector<std::string_view> required = {"rdma_cm", "umad", "uverbs"};
    if (release == RsdpRelease::untilV1_5_1)
        required.insert(required.begin(), "issm");
    for (const std::string_view kind : required)
        if (std::none_of(nic.nodes.begin(), nic.nodes.end(),
                         [&](const std::string& node) { return baseName(node).find(kind) != std::string::npos; }))
            throw std::runtime_error(
                fmt::format("missing RDMA device spec for device {}, RDMA device \"{}\" not found", function.address, kind));
    return nic;
}

std::vector<PciFunction> networkFunctions(Files& files) {
    std::vector<PciFunction> functions;
    for (const DirectoryEntry& entry : entries(files, busDevices)) {
        const auto modalias = pciAddress(entry.name) ? content(files, busDevices + "/" + entry.name + "/modalias") : std::nullopt;
        auto function = modalias ? parseModalias(entry.name, *modalias) : std::nullopt;
        if (!function)
            return {};
        functions.push_back(std::move(*function));
    }
    std::erase_if(functions, [](const PciFunction& function) { return function.baseClass != "02"; });
    return functions;
}

} // namespace

RsdpDiscovery discoverRdmaNics(Files& files, Kernel& kernel, RsdpRelease release, const PluginLog& log) {
    log("discovering host network devices");
    const auto functions = networkFunctions(files);
    if (functions.empty())
        log("Warning: DiscoverHostDevices(): no PCI network device found");
    CharacterDevices characterDevices(files, release);
    RsdpDiscovery result;
    for (const PciFunction& function : functions) {
        log(fmt::format("DiscoverHostDevices(): device found: {:<12}\t{:<12}\t{:<20}\t{:<40}", function.address,
                        function.baseClass, function.vendor, function.deviceId));
        try {
            result.nics.push_back(inspect(function, files, kernel, characterDevices, release, log));
        } catch (const std::runtime_error& e) {
            result.dropped.emplace_back(e.what());
        }
    }
    return result;
}

std::vector<RdmaNic> selectRdmaNics(const std::vector<RdmaNic>& nics, const RsdpSelectors& selectors) {
    const std::pair<const std::vector<std::string>&, std::string RdmaNic::*> filters[] = {
        {selectors.vendors, &RdmaNic::vendor},
        {selectors.deviceIds, &RdmaNic::deviceId},
        {selectors.drivers, &RdmaNic::driver},
        {selectors.ifNames, &RdmaNic::ifName},
        {selectors.linkTypes, &RdmaNic::linkType}};
    std::vector<RdmaNic> selected;
    for (const RdmaNic& nic : nics)
        if (std::all_of(std::begin(filters), std::end(filters), [&](const auto& filter) {
                const auto& [wanted, field] = filter;
                return wanted.empty() || std::find(wanted.begin(), wanted.end(), nic.*field) != wanted.end();
            }))
            selected.push_back(nic);
    return selected;
}

} // namespace rdmalab::plugin
