"""aiofiles, whose calls run in the loop's default executor."""

import asyncio
import os

import aiofiles
import aiofiles.os
import aiofiles.tempfile


async def test_many_files_at_once(tmp_path):
    contents = {str(number): os.urandom(50_000) for number in range(100)}

    async def copy(name):
        async with aiofiles.open(tmp_path / name, "wb") as file:
            await file.write(contents[name])
        async with aiofiles.open(tmp_path / name, "rb") as file:
            return await file.read()

    assert await asyncio.gather(*map(copy, contents)) == list(contents.values())
    assert sorted(await aiofiles.os.listdir(tmp_path)) == sorted(contents)


async def test_lines_and_temporary_files():
    async with aiofiles.tempfile.NamedTemporaryFile("w+") as file:
        await file.writelines(f"line {number}\n" for number in range(1000))
        await file.seek(0)
        assert [line async for line in file] == [f"line {number}\n" for number in range(1000)]
        name = file.name
    assert not await aiofiles.os.path.exists(name)
