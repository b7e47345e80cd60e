/* SPDX-License-Identifier: MIT
 *
 * Preloaded under the leak and thread sanitizers: libraries stay loaded, so that what a driver does can be told
 * from what kvant does (leaks.txt and threads.txt name the drivers).
 */
int dlclose(void *library);

int dlclose(void *library)
{
    (void)library;
    return 0;
}
