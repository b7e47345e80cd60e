/* SPDX-License-Identifier: MIT
 *
 * Opening the Vulkan loader and an instance, and finding the physical devices.
 */
#include <stdio.h>
#include <string.h>

#include "dynlib.h"
#include "vulkan_internal.h"

#define MAX_DEVICES 16u

static kvant_status load_global_symbols(kvant_vulkan_instance *instance)
{
    const kvant_services *services = instance->services;
    kvant_vulkan_symbols *vk = &instance->vk;
    vk->vkGetInstanceProcAddr =
        (PFN_vkGetInstanceProcAddr)kvant_dynlib_symbol(instance->library, "vkGetInstanceProcAddr");
    const char *missing = vk->vkGetInstanceProcAddr == NULL ? "vkGetInstanceProcAddr" : NULL;
#define LOAD(name)                                                                                 \
    if (missing == NULL) {                                                                         \
        vk->name = (PFN_##name)vk->vkGetInstanceProcAddr(NULL, #name);                             \
        missing = vk->name == NULL ? #name : NULL;                                                 \
    }
    KVANT_VULKAN_GLOBAL_SYMBOLS(LOAD)
#undef LOAD
    if (missing != NULL) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "the Vulkan loader has no %s (Vulkan 1.1 is needed)", missing);
    }
    return KVANT_OK;
}

static kvant_status create_instance(kvant_vulkan_instance *instance)
{
    const kvant_services *services = instance->services;
    kvant_vulkan_symbols *vk = &instance->vk;
    uint32_t version = 0;
    VkResult result = vk->vkEnumerateInstanceVersion(&version);
    if (result != VK_SUCCESS || version < VK_API_VERSION_1_1) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "the Vulkan loader has version %u.%u, 1.1 is needed",
                                VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    }
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pEngineName = "kvant",
        .apiVersion = VK_API_VERSION_1_1,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    result = vk->vkCreateInstance(&info, NULL, &instance->handle);
    if (result != VK_SUCCESS) {
        instance->handle = VK_NULL_HANDLE;
        return services->report(
            services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan", "vkCreateInstance returned %d%s",
            (int)result,
            result == VK_ERROR_INCOMPATIBLE_DRIVER ? ": no Vulkan driver is installed" : "");
    }
    return KVANT_OK;
}

static kvant_status load_instance_symbols(kvant_vulkan_instance *instance)
{
    const kvant_services *services = instance->services;
    kvant_vulkan_symbols *vk = &instance->vk;
    const char *missing = NULL;
#define LOAD(name)                                                                                 \
    vk->name = (PFN_##name)vk->vkGetInstanceProcAddr(instance->handle, #name);                     \
    missing = vk->name == NULL ? #name : missing;
    KVANT_VULKAN_INSTANCE_SYMBOLS(LOAD)
#undef LOAD
    if (missing != NULL) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "the Vulkan instance has no %s", missing);
    }
    return KVANT_OK;
}

kvant_status kvant_vulkan_instance_open(const kvant_services *services,
                                        kvant_vulkan_instance *instance)
{
    memset(instance, 0, sizeof *instance);
    instance->services = services;
    const char *reason;
    instance->library = kvant_dynlib_open("libvulkan.so.1", &reason);
    if (instance->library == NULL) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "libvulkan.so.1 cannot be opened: %s", reason);
    }
    kvant_status status = load_global_symbols(instance);
    if (status == KVANT_OK) {
        status = create_instance(instance);
    }
    if (status == KVANT_OK) {
        status = load_instance_symbols(instance);
    }
    if (status != KVANT_OK) {
        kvant_vulkan_instance_close(instance);
    }
    return status;
}

void kvant_vulkan_instance_close(kvant_vulkan_instance *instance)
{
    if (instance->handle != VK_NULL_HANDLE && instance->vk.vkDestroyInstance != NULL) {
        instance->vk.vkDestroyInstance(instance->handle, NULL);
    }
    kvant_dynlib_close(instance->library);
    instance->handle = VK_NULL_HANDLE;
    instance->library = NULL;
}

uint32_t kvant_vulkan_queue_family(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                                   uint32_t *out_timestamp_bits)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = sizeof families / sizeof families[0];
    instance->vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0 && families[i].queueCount > 0) {
            *out_timestamp_bits = families[i].timestampValidBits;
            return i;
        }
    }
    return UINT32_MAX;
}

kvant_status kvant_vulkan_physical_devices(const kvant_vulkan_instance *instance,
                                           VkPhysicalDevice *devices, uint32_t capacity,
                                           uint32_t *out_count)
{
    const kvant_services *services = instance->services;
    const kvant_vulkan_symbols *vk = &instance->vk;
    VkPhysicalDevice all[MAX_DEVICES];
    uint32_t count = MAX_DEVICES;
    VkResult result = vk->vkEnumeratePhysicalDevices(instance->handle, &count, all);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "vkEnumeratePhysicalDevices returned %d", (int)result);
    }
    *out_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        };
        uint32_t timestamp_bits;
        vk->vkGetPhysicalDeviceProperties2(all[i], &properties);
        if (properties.properties.apiVersion < VK_API_VERSION_1_1 ||
            kvant_vulkan_queue_family(instance, all[i], &timestamp_bits) == UINT32_MAX) {
            continue;
        }
        if (*out_count < capacity) {
            devices[*out_count] = all[i];
        }
        ++*out_count;
    }
    return KVANT_OK;
}

int kvant_vulkan_has_extension(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                               const char *name)
{
    const kvant_services *services = instance->services;
    uint32_t count = 0;
    if (instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) !=
            VK_SUCCESS ||
        count == 0) {
        return 0;
    }
    VkExtensionProperties *list = services->allocate(services, count * sizeof *list);
    int found = 0;
    if (list != NULL && instance->vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count,
                                                                          list) >= VK_SUCCESS) {
        for (uint32_t i = 0; i < count; i++) {
            found |= strcmp(list[i].extensionName, name) == 0;
        }
    }
    services->release(services, list);
    return found;
}

static kvant_device_kind kind_of(VkPhysicalDeviceType type)
{
    return type == VK_PHYSICAL_DEVICE_TYPE_CPU ? KVANT_DEVICE_CPU : KVANT_DEVICE_GPU;
}

static void describe_driver(const VkPhysicalDeviceProperties *properties,
                            const VkPhysicalDeviceDriverProperties *driver, char out[64])
{
    int length = snprintf(out, 64, "Vulkan %u.%u.%u", VK_API_VERSION_MAJOR(properties->apiVersion),
                          VK_API_VERSION_MINOR(properties->apiVersion),
                          VK_API_VERSION_PATCH(properties->apiVersion));
    if (length > 0 && length < 64) {
        /* a longer description is cut to the field */
        (void)snprintf(out + length, (size_t)(64 - length), ", %.47s",
                       driver->driverInfo[0] != '\0' ? driver->driverInfo : "driver unknown");
    }
}

void kvant_vulkan_describe(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                           kvant_device_record *record)
{
    VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT,
    };
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceIDProperties id = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &id,
    };
    int has_pci =
        kvant_vulkan_has_extension(instance, physical, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME);
    if (has_pci) {
        pci.pNext = id.pNext;
        id.pNext = &pci;
    }
    if (kvant_vulkan_has_extension(instance, physical, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) {
        driver.pNext = id.pNext;
        id.pNext = &driver;
    }
    instance->vk.vkGetPhysicalDeviceProperties2(physical, &properties);

    memset(record, 0, sizeof *record);
    record->kind = kind_of(properties.properties.deviceType);
    (void)snprintf(record->name, sizeof record->name, "%.127s", properties.properties.deviceName);
    describe_driver(&properties.properties, &driver, record->driver);
    for (size_t i = 0; i < VK_UUID_SIZE; i++) {
        (void)snprintf(&record->uuid[2 * i], 3, "%02x", id.deviceUUID[i]);
    }
    if (has_pci) {
        (void)snprintf(record->pci, sizeof record->pci, "%04x:%02x:%02x.%x",
                       pci.pciDomain & 0xffffu, pci.pciBus & 0xffu, pci.pciDevice & 0xffu,
                       pci.pciFunction & 0xfu);
    }
}

kvant_status kvant_vulkan_device_symbols(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    kvant_vulkan_symbols *vk = &device->instance.vk;
    const char *missing = NULL;
#define LOAD(name)                                                                                 \
    vk->name = (PFN_##name)vk->vkGetDeviceProcAddr(device->handle, #name);                         \
    missing = vk->name == NULL ? #name : missing;
    KVANT_VULKAN_DEVICE_SYMBOLS(LOAD)
#undef LOAD
    if (missing != NULL) {
        if (vk->vkDestroyDevice != NULL) {
            vk->vkDestroyDevice(device->handle, NULL);
        }
        device->handle = VK_NULL_HANDLE;
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "vulkan",
                                "the Vulkan device has no %s", missing);
    }
    return KVANT_OK;
}
