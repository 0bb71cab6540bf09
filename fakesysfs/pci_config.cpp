#include "fakesysfs/pci_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace rdmalab::fakesysfs {
namespace {

using hardware::Nic;

// IORESOURCE_* of include/linux/ioport.h plus the BAR's own low bits.
constexpr std::uint64_t memory = 0x200, prefetch = 0x2000, sizeAligned = 0x40000, memory64 = 0x100000;
constexpr std::uint64_t barPrefetch = 8, bar64 = 4;
constexpr std::uint64_t firstWideWindow = 0x380000000000, wideWindow = 0x100000000;
constexpr std::uint64_t firstLowWindow = 0xc0000000, lowWindow = 0x100000;

// Capabilities where ConnectX has them.
constexpr std::size_t pmCap = 0x40, vpdCap = 0x48, pcieCap = 0x60, msixCap = 0x9c, vendorCap = 0xc0;
constexpr std::size_t aerCap = 0x100, ariCap = 0x150, sriovCap = 0x180, secondaryCap = 0x1c0, acsCap = 0x230;

class Config {
public:
    explicit Config(std::size_t size) : bytes_(size, '\0') {}
    void put(std::size_t offset, std::uint64_t value, std::size_t width) {
        for (std::size_t i = 0; i < width; ++i)
            bytes_[offset + i] = static_cast<char>(value >> (8 * i));
    }
    void capability(std::size_t offset, unsigned id, std::size_t next) { put(offset, id | next << 8, 2); }
    void extended(std::size_t offset, unsigned id, unsigned version, std::size_t next) {
        put(offset, id | version << 16 | next << 20, 4);
    }
    std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

unsigned speedCode(const std::string& speed) {
    const std::array<const char*, 6> known = {"2.5", "5.0", "8.0", "16.0", "32.0", "64.0"};
    for (std::size_t i = 0; i < known.size(); ++i)
        if (speed.starts_with(known[i]))
            return static_cast<unsigned>(i + 1);
    return 1;
}

void putPcie(Config& config, std::size_t offset, unsigned flags, const hardware::PcieLink& link) {
    const unsigned lane = speedCode(link.speed) | static_cast<unsigned>(link.width) << 4;
    config.put(offset + 0x02, flags, 2);
    config.put(offset + 0x04, 0x10008fe2, 4); // 512-byte payload, function level reset
    config.put(offset + 0x08, 0x295f, 2);
    config.put(offset + 0x0c, lane, 4);
    config.put(offset + 0x10, 0x0040, 2); // common clock
    config.put(offset + 0x12, lane | 0x1000, 2);
    config.put(offset + 0x2c, (2U << speedCode(link.speed)) - 2, 4); // every speed up to the fastest
    config.put(offset + 0x30, speedCode(link.speed), 2);
}

void putSriov(Config& config, const Nic& nic, std::size_t number, std::size_t next) {
    config.extended(sriovCap, 0x10, 1, next);
    config.put(sriovCap + 0x04, 0x2, 4); // ARI capable hierarchy preserved
    config.put(sriovCap + 0x08, nic.pci.address.function == 0 ? 0x10 : 0, 2);
    config.put(sriovCap + 0x0c, nic.pci.totalVfs, 2);
    config.put(sriovCap + 0x0e, nic.pci.totalVfs, 2);
    config.put(sriovCap + 0x12, nic.pci.address.function, 1);
    config.put(sriovCap + 0x14, nic.pci.vfOffset, 2);
    config.put(sriovCap + 0x16, nic.pci.vfStride, 2);
    config.put(sriovCap + 0x1a, nic.model->sriov->vfDevice, 2);
    config.put(sriovCap + 0x1c, 0x7ff, 4);
    config.put(sriovCap + 0x20, 1, 4); // 4 KiB
    for (const Resource& resource : resources(nic, number))
        if (resource.line >= 7) {
            const std::size_t bar = sriovCap + 0x24 + 4 * static_cast<std::size_t>(resource.line - 7);
            config.put(bar, resource.start | (resource.flags & 0xf), resource.flags & memory64 ? 8 : 4);
        }
}

void putExtended(Config& config, const Nic& nic, std::size_t number) {
    const bool first = nic.pci.address.function == 0;
    const std::size_t afterSriov = first ? secondaryCap : acsCap;
    config.extended(aerCap, 0x01, 2, ariCap);
    const unsigned nextFunction = nic.pci.address.function + 1U < nic.pci.cardFunctions ? nic.pci.address.function + 1U : 0;
    config.extended(ariCap, 0x0e, 1, nic.model->sriov ? sriovCap : afterSriov);
    config.put(ariCap + 4, nextFunction << 8, 2);
    if (nic.model->sriov)
        putSriov(config, nic, number, afterSriov);
    if (first)
        config.extended(secondaryCap, 0x19, 1, acsCap);
    config.extended(acsCap, 0x0d, 1, 0);
}

} // namespace

unsigned interruptLine(std::size_t number) {
    return static_cast<unsigned>(16 + number % 16);
}

std::vector<Resource> resources(const Nic& nic, std::size_t number) {
    std::vector<Resource> result;
    std::uint64_t wide = firstWideWindow + number * wideWindow, low = firstLowWindow + number * lowWindow;
    const auto place = [&](const hardware::Bar& bar, int line, std::uint64_t count) {
        std::uint64_t& next = bar.wide ? wide : low;
        Resource resource;
        resource.line = line;
        resource.start = (next + bar.size - 1) / bar.size * bar.size;
        resource.size = bar.size * count;
        resource.flags =
            memory | sizeAligned | (bar.wide ? memory64 | bar64 : 0) | (bar.prefetchable ? prefetch | barPrefetch : 0);
        resource.prefetchable = bar.prefetchable;
        next = resource.start + resource.size;
        result.push_back(resource);
    };
    for (const hardware::Bar& bar : nic.model->bars)
        place(bar, bar.index, 1);
    if (nic.model->sriov && nic.model->sriov->bar && nic.pci.totalVfs)
        place(*nic.model->sriov->bar, 7 + nic.model->sriov->bar->index, nic.pci.totalVfs);
    return result;
}

std::string nicConfig(const Nic& nic, std::size_t number) {
    const hardware::NicModel& model = *nic.model;
    Config config(model.pcie ? 4096 : 256);
    config.put(0x00, model.vendor, 2);
    config.put(0x02, model.device, 2);
    config.put(0x04, nic.pci.driver.empty() ? 0x0 : 0x0546, 2);
    config.put(0x06, 0x0010, 2); // has capabilities
    config.put(0x08, model.revision, 1);
    config.put(0x09, nic.pci.classCode, 3);
    config.put(0x0c, 0x10, 1);
    config.put(0x0e, nic.pci.multifunction ? 0x80 : 0, 1);
    for (const Resource& resource : resources(nic, number))
        if (resource.line <= 5)
            config.put(0x10 + 4 * static_cast<std::size_t>(resource.line), resource.start | (resource.flags & 0xf),
                       resource.flags & memory64 ? 8 : 4);
    config.put(0x2c, nic.pci.subsystemVendor, 2);
    config.put(0x2e, nic.pci.subsystemDevice, 2);
    config.put(0x34, model.pcie ? pcieCap : msixCap, 1);
    config.put(0x3c, interruptLine(number), 1);
    config.put(0x3d, nic.pci.address.function % 4 + 1U, 1);

    config.capability(msixCap, 0x11, model.pcie ? vendorCap : 0);
    config.put(msixCap + 2, 63 | (nic.pci.driver.empty() ? 0 : 0x8000), 2);
    config.put(msixCap + 4, 0x2000, 4);
    config.put(msixCap + 8, 0x3000, 4);
    if (!model.pcie)
        return config.take();
    config.capability(pcieCap, 0x10, vpdCap);
    putPcie(config, pcieCap, 0x0002, *model.pcie);
    config.capability(vpdCap, 0x03, msixCap);
    config.capability(vendorCap, 0x09, pmCap);
    config.put(vendorCap + 2, 0x18, 1);
    config.capability(pmCap, 0x01, 0);
    config.put(pmCap + 2, 0x0003, 2);
    config.put(pmCap + 4, 0x0008, 2);
    putExtended(config, nic, number);
    return config.take();
}

std::string rootPortConfig(const hardware::PciFunction& pci, const hardware::NicModel& model) {
    Config config(4096);
    config.put(0x00, 0x8086, 2);
    config.put(0x02, 0x2030, 2);
    config.put(0x04, 0x0547, 2);
    config.put(0x06, 0x0010, 2);
    config.put(0x08, 0x04, 1);
    config.put(0x09, 0x060400, 3);
    config.put(0x0c, 0x10, 1);
    config.put(0x0e, 0x01, 1);
    config.put(0x18, pci.rootBus, 1);
    config.put(0x19, pci.address.bus, 1);
    config.put(0x1a, pci.address.bus, 1);
    config.put(0x34, pcieCap, 1);
    config.put(0x3c, 11, 1);
    config.put(0x3d, 1, 1);
    config.capability(pcieCap, 0x10, pmCap);
    putPcie(config, pcieCap, 0x0142, model.pcie.value_or(hardware::PcieLink{"8.0 GT/s PCIe", 16}));
    config.capability(pmCap, 0x01, 0);
    config.put(pmCap + 2, 0xc803, 2);
    return config.take();
}

std::string vitalProductData(const Nic& nic) {
    const auto tag = [](unsigned char id, const std::string& content) {
        std::string text(1, static_cast<char>(id));
        text += static_cast<char>(content.size() & 0xff);
        text += static_cast<char>(content.size() >> 8);
        return text + content;
    };
    const auto field = [](const std::string& name, const std::string& value) {
        return name + static_cast<char>(value.size()) + value;
    };
    std::string serial = nic.port.mac;
    std::erase(serial, ':');
    const std::string readOnly = field("SN", serial.substr(serial.size() - 12)) + field("RV", std::string(1, '\0'));
    std::string data = tag(0x82, nic.model->name + " adapter") + tag(0x90, readOnly);
    unsigned char sum = 0;
    for (const char c : data)
        sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(c));
    data.back() = static_cast<char>(-sum); // everything up to here adds up to zero
    return data + '\x78';
}

} // namespace rdmalab::fakesysfs
