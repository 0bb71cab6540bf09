// Interfaces of a real namespace, read through to the real sysfs at the moment of reading.
#pragma once

#include "fakesysfs/network_view.h"
#include "fakesysfs/render.h"

#include <functional>
#include <memory>
#include <string>

namespace rdmalab::fakesysfs {

// Where another interface of the view is in this tree; "" when there is none of that name.
using InterfacePath = std::function<std::string(const std::string& name)>;

// class/net/NAME with everything the kernel says of it, except for its device: the real one's never shows. `nic`: the facts of
// the port that this interface stands for, which win where a veth would betray itself; null for interfaces that are nobody's
// port. Reads and writes pass on what the real file answers; ENODEV when the interface is gone.
void renderLiveNetdev(Directory& directory, const std::string& path, const Scene& scene, const std::string& name,
                      const NetdevFacts* nic, const InterfacePath& pathOf);

} // namespace rdmalab::fakesysfs
