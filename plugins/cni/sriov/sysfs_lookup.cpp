#include "plugins/cni/sriov/sysfs_lookup.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>
#include <vector>

namespace rdmalab::plugin::sriov {

namespace {

std::string devicePath(const std::string& address) {
    return "/sys/bus/pci/devices/" + address;
}

std::string baseName(std::string path) {
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    return path.substr(path.rfind('/') + 1);
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Go's *PathError.
[[noreturn]] void fail(const char* operation, const std::string& path, int code) {
    throw std::runtime_error(fmt::format("{} {}: {}", operation, path, goErrnoText(code)));
}

void mustExist(Files& files, const std::string& path) {
    try {
        if (files.linkStatus(path).kind == FileKind::missing)
            fail("lstat", path, ENOENT);
    } catch (const SystemError& error) {
        fail("lstat", path, error.code());
    }
}

std::vector<std::string> namesIn(Files& files, const std::string& path) {
    mustExist(files, path);
    std::vector<std::string> names;
    try {
        for (const auto& entry : files.list(path))
            names.push_back(entry.name);
    } catch (const SystemError& error) {
        fail("open", path, error.code());
    }
    std::sort(names.begin(), names.end());
    return names;
}

int numberOfVfs(Files& files, const std::string& pf) {
    const std::string path = "/sys/class/net/" + pf + "/device/sriov_numvfs";
    try {
        mustExist(files, path);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to open the sriov_numfs of device {}: {}", goQuote(pf), error.what()));
    }
    std::string text;
    try {
        text = files.read(path);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to read the sriov_numfs of device {}: open {}: {}", goQuote(pf), path,
                                             goErrnoText(error.code())));
    }
    if (text.empty())
        throw std::runtime_error(fmt::format("no data in the file {}", goQuote(path)));
    const std::string digits = trimmed(text);
    int count = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (problem != std::errc() || end != digits.data() + digits.size())
        throw std::runtime_error(
            fmt::format("failed to convert sriov_numfs(byte value) to int of device {}: strconv.Atoi: parsing {}: invalid syntax",
                        goQuote(pf), goQuote(digits)));
    return count;
}

} // namespace

std::string pfNetdev(Files& files, const std::string& vfAddress) {
    const auto names = namesIn(files, devicePath(vfAddress) + "/physfn/net");
    if (names.empty())
        throw std::runtime_error("PF network device not found");
    return trimmed(names.front());
}

int vfNumber(Files& files, const std::string& vfAddress, const std::string& pfNetdev) {
    const int count = numberOfVfs(files, pfNetdev);
    for (int number = 0; number < count; ++number) {
        try {
            if (baseName(files.readLink(fmt::format("/sys/class/net/{}/device/virtfn{}", pfNetdev, number))) == vfAddress)
                return number;
        } catch (const SystemError&) { // VFs may be missing
        }
    }
    throw std::runtime_error(fmt::format("unable to get VF ID with PF: {} and VF pci address {}", pfNetdev, vfAddress));
}

std::string vfNetdev(Files& files, const std::string& vfAddress) {
    try {
        const auto names = namesIn(files, devicePath(vfAddress) + "/net");
        return names.empty() ? "" : names.front();
    } catch (const std::runtime_error&) {
        return "";
    }
}

bool hasUserspaceDriver(Files& files, const std::string& vfAddress) {
    const std::string link = devicePath(vfAddress) + "/driver";
    mustExist(files, link);
    std::string driver;
    try {
        driver = baseName(files.readLink(link));
    } catch (const SystemError& error) {
        fail("readlink", link, error.code());
    }
    if (!files.exists(link))
        fail("lstat", "/sys/bus/pci/drivers/" + driver, ENOENT);
    static constexpr std::array<const char*, 3> userspace{"vfio-pci", "uio_pci_generic", "igb_uio"};
    return std::find(userspace.begin(), userspace.end(), driver) != userspace.end();
}

} // namespace rdmalab::plugin::sriov
