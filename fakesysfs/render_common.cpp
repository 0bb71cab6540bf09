#include "fakesysfs/paths.h"
#include "fakesysfs/pci_writes.h"
#include "fakesysfs/render.h"
#include "fakesysfs/store.h"
#include "sim/hardware/cpu_list.h"

#include <cerrno>
#include <set>

namespace rdmalab::fakesysfs {
namespace {

// drivers/base/power/sysfs.c
std::string keepControl(std::string_view text) {
    if (!saysWord(text, "auto") && !saysWord(text, "on"))
        refuse("power/control", EINVAL);
    return std::string(withoutNewline(text));
}

std::string keepAsync(std::string_view text) {
    if (!saysWord(text, "enabled") && !saysWord(text, "disabled"))
        refuse("power/async", EINVAL);
    return std::string(withoutNewline(text));
}

void fillPower(Directory& power, const Scene& scene, const Owner& owner, bool pci) {
    const std::string prefix = owner.prefix + "power/";
    const auto kept = [&](const char* name, const char* otherwise, Check check) {
        const std::string text = keptText(scene.machine, owner.instance, prefix + name, otherwise);
        power.writable(name, text, keepStore(scene.writable, owner.instance, prefix + name, check));
        return text;
    };
    kept("async", pci ? "enabled" : "disabled", keepAsync);
    const std::string control = kept("control", pci ? "on" : "auto", keepControl);
    power.unreadable("autosuspend_delay_ms", EIO, 0644); // nobody uses autosuspend
    power.node("autosuspend_delay_ms").behaviour = std::make_shared<Behaviour>(Behaviour{
        nullptr, unlessReadOnly(scene, textStore([](std::string_view) { refuse("power/autosuspend_delay_ms", EIO); }))});
    power.text("runtime_active_kids", "0");
    power.text("runtime_active_time", "0");
    power.text("runtime_enabled", !pci ? "disabled" : control == "on" ? "forbidden" : "enabled");
    power.text("runtime_status", pci ? "active" : "unsupported");
    power.text("runtime_suspended_time", "0");
    power.text("runtime_usage", pci && control == "on" ? "2" : "0");
}

} // namespace

Directory::Write unlessReadOnly(const Scene& scene, Directory::Write write) {
    return scene.writable ? std::move(write) : nullptr;
}

void addUevent(Directory& directory, const Scene& scene, std::string content) {
    directory.raw("uevent", std::move(content), 0644);
    static const auto behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, ueventStore()});
    if (scene.writable)
        directory.node("uevent").behaviour = behaviour;
}

void addPower(Directory& directory, const Scene& scene, const Owner& owner, bool pciDevice) {
    directory.lazy("power", [&scene, owner, pciDevice](Directory& power) { fillPower(power, scene, owner, pciDevice); });
}

void addLink(Directory& directory, const std::string& path, const std::string& name, const std::string& target,
             std::uint64_t identity) {
    directory.link(name, linkTarget(path, target));
    if (identity)
        directory.node(name).identity = identity;
}

std::vector<unsigned> allCpus(const hardware::Machine& machine) {
    std::set<unsigned> cpus;
    for (const hardware::NumaSpec& node : machine.numaNodes())
        for (const unsigned cpu : hardware::parseCpuList(node.cpus).value_or(std::vector<unsigned>()))
            cpus.insert(cpu);
    if (cpus.empty())
        cpus = {0, 1, 2, 3, 4, 5, 6, 7};
    return {cpus.begin(), cpus.end()};
}

std::vector<Resource> resources(const Placed& function) {
    return function.nic ? resources(*function.nic, function.pf, function.number) : resources(*function.plain, function.number);
}

} // namespace rdmalab::fakesysfs
