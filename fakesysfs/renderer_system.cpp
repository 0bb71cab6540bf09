#include "fakesysfs/pci_writes.h"
#include "fakesysfs/renderer.h"
#include "fakesysfs/store.h"
#include "sim/hardware/cpu_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace rdmalab::fakesysfs {
namespace {

std::string moduleName(std::string driver) {
    std::replace(driver.begin(), driver.end(), '-', '_');
    return driver;
}

std::string keepMaskNumber(std::string_view text) {
    return std::to_string(parseUnsigned(text, 0, 0xffffffff));
}

} // namespace

bool Renderer::hasRdma() const {
    const auto& nics = scene_.machine.nics();
    return std::any_of(nics.begin(), nics.end(), [](const auto& nic) { return nic->model->rdma.has_value(); });
}

void Renderer::modules(Directory& sys) {
    std::set<std::string> names;
    std::map<std::string, std::set<std::string>> drivers; // of a module
    const hardware::NicModel* last = nullptr;
    for (const auto& nic : scene_.machine.nics()) {
        if (nic->model.get() == last)
            continue;
        last = nic->model.get();
        drivers[moduleName(last->driver)].insert(last->driver);
        names.insert(last->modules.begin(), last->modules.end());
    }
    for (const hardware::Machine::Driver& driver : scene_.machine.drivers())
        if (!driver.module.empty())
            drivers[driver.module].insert(driver.name);
    for (const auto& [module, list] : drivers)
        names.insert(module);
    if (hasRdma())
        names.insert({"ib_cm", "ib_core", "ib_umad", "ib_uverbs", "iw_cm", "rdma_cm"});
    if (scene_.machine.rdmaCm())
        names.insert("rdma_ucm");
    Directory& all = sys.directory("module");
    for (const std::string& name : names)
        all.lazy(name, [this, name, list = drivers[name]](Directory& directory) {
            module(directory, name);
            const std::string path = "module/" + name + "/drivers";
            for (const std::string& driver : list)
                addLink(directory.directory("drivers"), path, "pci:" + driver, "bus/pci/drivers/" + driver);
        });
}

void Renderer::module(Directory& directory, const std::string& name) {
    directory.text("coresize", "1048576");
    directory.directory("holders");
    directory.text("initsize", "0");
    directory.text("initstate", "live");
    directory.text("refcnt", "0");
    directory.directory("sections");
    directory.text("taint", "");
    directory.writeOnly("uevent", unlessReadOnly(scene_, ueventStore()));
    if (name == "ib_core") {
        Directory& parameters = directory.directory("parameters");
        const bool shared = scene_.machine.rdmaNetnsMode() == hardware::RdmaNetnsMode::shared;
        parameters.text("netns_mode", shared ? "Y" : "N");
        parameters.text("recv_queue_size", "512");
        parameters.text("send_queue_size", "128");
    } else if (name == "mlx5_core") {
        Directory& parameters = directory.directory("parameters");
        const std::string key = "module/mlx5_core/debug_mask";
        parameters.writable("debug_mask", keptText(scene_.machine, 0, key, "0"),
                            keepStore(scene_.writable, 0, key, keepMaskNumber));
        parameters.text("prof_sel", "2");
    }
}

void Renderer::systemDevices(Directory& sys) {
    const auto cpus = allCpus(scene_.machine);
    Directory& cpu = sys.path("devices/system/cpu");
    for (const char* name : {"online", "possible", "present"})
        cpu.text(name, hardware::cpuListText(cpus));
    Directory& node = sys.path("devices/system/node");
    std::vector<unsigned> ids;
    const auto add = [&](int id, const std::vector<unsigned>& own) {
        Directory& directory = node.directory(fmt::format("node{}", id));
        directory.text("cpulist", hardware::cpuListText(own));
        directory.text("cpumap", hardware::cpuMaskText(own));
        ids.push_back(static_cast<unsigned>(id));
    };
    for (const hardware::NumaSpec& numa : scene_.machine.numaNodes())
        add(numa.id, hardware::parseCpuList(numa.cpus).value_or(std::vector<unsigned>()));
    if (ids.empty())
        add(0, cpus);
    std::sort(ids.begin(), ids.end());
    for (const char* name : {"has_cpu", "has_memory", "online", "possible"})
        node.text(name, hardware::cpuListText(ids));
}

} // namespace rdmalab::fakesysfs
